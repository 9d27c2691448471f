"""Settings of the documentation's build; `nox -s docs` runs it."""

import tomllib
from pathlib import Path

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
