"""The few facts that `@aws-cdk/aws-service-spec` (Apache-2.0) has and the registry's schemas lack.

They are kept in ``extra.json``, which is committed, so that a pack is made
without npm. Only names are taken: what replaces, what holds data, how ARNs look.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EXTRA = HERE / "extra.json"


def extract(database: Path) -> dict[str, dict[str, Any]]:
    """Take the facts out of the package's ``db.json.gz``.

    Returns:
        Type -> "replaces" and "maybe" (names of properties), "replaces_paths"
        (nested), "stateful", "arn"; each only where there is something to say.
    """
    with gzip.open(database) as file:
        resources = json.load(file)["schema"]["resource"]["entities"]
    found: dict[str, dict[str, Any]] = {}
    for resource in resources:
        causes = {name: one.get("causesReplacement") for name, one in resource["properties"].items()}
        nested = {tuple(path) for path in resource.get("additionalReplacementProperties", ())}
        facts = {
            "replaces": sorted(name for name, cause in causes.items() if cause == "yes"),
            "maybe": sorted(name for name, cause in causes.items() if cause == "maybe"),
            "replaces_paths": sorted("/".join(path) for path in nested),
            "stateful": resource.get("isStateful"),
            "arn": resource.get("arnTemplate"),
        }
        kept = {key: value for key, value in facts.items() if value}
        if kept:
            found[resource["cloudFormationType"]] = kept
    return dict(sorted(found.items()))


def write(found: dict[str, dict[str, Any]], known: dict[str, Any]) -> None:
    """Write what the registry's schemas do not say themselves.

    Args:
        found: What ``extract`` gave.
        known: The registry's schemas by type.
    """
    new = {}
    for type, facts in found.items():
        if type not in known:
            continue
        said = {path.removeprefix("/properties/") for path in known[type].get("createOnlyProperties", ())}
        perhaps = {path.removeprefix("/properties/") for path in known[type].get("conditionalCreateOnlyProperties", ())}
        fixed = known[type].get("readOnlyProperties", ())
        less = dict(facts)
        for key in ("replaces", "maybe", "replaces_paths"):
            names = [
                name
                for name in facts.get(key, ())
                if name not in said
                and f"/properties/{name}" not in fixed
                and not (key != "replaces" and any(one.split("/")[0] == name for one in perhaps | said))
            ]
            less[key] = names
        kept = {key: value for key, value in less.items() if value}
        if kept:
            new[type] = kept
    lines = [f"{json.dumps(type)}: {json.dumps(facts, sort_keys=True)}" for type, facts in new.items()]
    EXTRA.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def extra() -> dict[str, dict[str, Any]]:
    """Read the committed facts."""
    found: dict[str, dict[str, Any]] = json.loads(EXTRA.read_text(encoding="utf-8"))
    return found
