"""Settings of the documentation's build; `nox -s docs` runs it."""

import tomllib
from pathlib import Path

from iaclib.schema.names import module_name
from iaclib.schema.pack import pack


def types_of_aws() -> str:
    """Write the page that lists them, from what is installed."""
    known = pack("aws")
    links = {
        service: ", ".join(f"[{name}]({known.facts(service, name).cloud.docs})" for name in known.names(service))
        for service in known.services
    }
    rows = [f"| `{module_name(service)}` | {text} |" for service, text in links.items() if text]
    count = sum(len(known.names(service)) for service in known.services)
    head = [
        "# All types of AWS",
        "",
        f"{count:,} types of {len(rows)} services.",
        "",
        "| module | types |",
        "| --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


(Path(__file__).parent / "aws-types.md").write_text(types_of_aws(), "utf-8")

project = "iaclib"
author = "The iaclib authors"
copyright = "The iaclib authors"
release = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"iaclib {release}"
