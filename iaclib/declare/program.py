"""Loading the program that a configuration names: ``"module:Class"``."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any, Final

from iaclib.declare.stack import Stack
from iaclib.errors import ConfigError
from iaclib.model.addresses import near

_NAME: Final = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")


def load_program(program: str, folder: str = "") -> type[Stack]:
    """Import a stack's class.

    Args:
        program: ``"module:Class"``, as in ``[stacks.prod]``.
        folder: Where to look for the module first, such as that of the
            configuration; for the import only.

    Raises:
        ConfigError: The text names no class of a stack. What the module itself
            raises goes through as it is.
    """
    named = _NAME.fullmatch(program)
    if named is None:
        msg = f"program {program!r}: no name of a class, expected 'module:Class' such as 'infra:Shop'; correct it"
        raise ConfigError(msg, key="program")
    if folder:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(named["module"])
    except ModuleNotFoundError as error:
        if not f"{named['module']}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses another one
        msg = f"program {program!r}: there is no module {error.name!r}, expected one that Python finds; correct it, or run from its folder"
        raise ConfigError(msg, key="program") from None
    finally:
        if folder:
            sys.path.remove(folder)
    for part in named["name"].split("."):
        inner = getattr(found, part, None)
        if inner is None:
            hint = near(part, vars(found))
            msg = f"program {program!r}: {named['module']} has no {part!r}, expected the class of a stack{f' ({hint})' if hint else ''}; correct it"
            raise ConfigError(msg, key="program")
        found = inner
    if not isinstance(found, type) or not issubclass(found, Stack):
        msg = f"program {program!r}: it is {type(found).__name__}, expected a class that inherits from iac.Stack; name one"
        raise ConfigError(msg, key="program")
    return found
