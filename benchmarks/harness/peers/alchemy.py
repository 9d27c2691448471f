"""alchemy, an engine inside a TypeScript program (npm), run by node.

Measured: its program from start to end. It has no plan of its own: running the
program again with nothing to do stands for the no-op plan. State is its default,
a JSON file a resource, which it doesn't sync to disk: in its favour. Resources
that may run at once are declared at once, 500 of them, and destroyed in parallel. Secrets
are sealed with its passphrase. Nothing is printed, and telemetry is off.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from harness.peers.packages import attempt
from harness.tools import PROGRAMS, NotInstalledError, Tool, shapes


def install(cache: Path) -> Tool:
    """Let npm put it into a folder, and the program beside it, from where node finds it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalledError("node and npm aren't on the path")
    folder = cache / "alchemy"
    folder.mkdir(parents=True, exist_ok=True)
    described = folder / "node_modules" / "alchemy" / "package.json"
    if not described.exists():
        attempt(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "alchemy"],
            "npm can't install alchemy",
            cwd=folder,
        )
    program = folder / "alchemy_program.mjs"
    shutil.copyfile(PROGRAMS / program.name, program)
    return Tool(
        "alchemy",
        json.loads(described.read_text())["version"],
        program=(node, str(program)),
        does=shapes("create", "flat", "layered", "chain", "secrets")
        | shapes("plan", "flat", "layered", "chain", "secrets")
        | shapes("destroy", "flat", "layered", "chain"),
        env={
            "ALCHEMY_CI_STATE_STORE_CHECK": "false",
            "ALCHEMY_TELEMETRY_DISABLED": "1",
            "DO_NOT_TRACK": "1",
            "HOME": str(folder),
        },
    )
