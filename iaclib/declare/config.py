"""Configuration: what a file and the environment say of a stack's fields.

The file is ``iaclib.toml``, or ``[tool.iaclib]`` of ``pyproject.toml``, the
nearest upward. Knows keys, texts and shapes; knows nothing of what a stack is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from iaclib.errors import ConfigError, InvalidPropertyError
from iaclib.model.addresses import StackRef, near
from iaclib.model.assets import Asset
from iaclib.model.values import MASK

if TYPE_CHECKING:
    from pathlib import Path

    from iaclib.declare.base import ClassFacts, FieldFacts
    from iaclib.schema.shapes import Shape

_FILE: Final = "iaclib.toml"
_PROJECT_FILE: Final = "pyproject.toml"
_STATE: Final = "IACLIB_STATE"
_FIELD: Final = "IACLIB_CONFIG_"
_TRUTHS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@attrs.frozen
class StackConfig:
    """What the file says of one stack.

    Args:
        program: ``"module:Class"``, for tools that load it.
        config: The stack's fields.
    """

    program: str = ""
    config: Mapping[str, Any] = attrs.field(factory=dict, repr=False)  # may hold secrets


@attrs.frozen
class _File:
    """The keys of the file."""

    state: str = "sqlite:///.iaclib/state.db"
    stacks: Mapping[str, StackConfig] = attrs.field(factory=dict)


@attrs.frozen
class Config:
    """What a configuration file says, with what the environment overrides.

    Args:
        state: A URL for ``Engine(state=...)``; the engine's default if nothing says one.
        stacks: By name, or by ``project/name``.
        path: The file.
    """

    state: str
    stacks: Mapping[str, StackConfig]
    path: str

    def stack(self, ref: StackRef) -> tuple[str, StackConfig]:
        """Give what is said of a stack, and under which key; ``project/name`` goes before ``name``.

        Raises:
            ConfigError: Nothing is.
        """
        for key in (str(ref), ref.name):
            if key in self.stacks:
                return _key("stacks", key), self.stacks[key]
        hint = (
            near(ref.name, self.stacks)
            or near(str(ref), self.stacks)
            or f"there are {', '.join(self.stacks) or 'none'}"
        )
        raise _wrong(
            self.path, _key("stacks", ref.name), f"not there, expected the stack's configuration ({hint}); add it"
        )


def load_config(path: str | os.PathLike[str] | None = None) -> Config:
    """Read the configuration.

    Args:
        path: The file, or a folder to search from; None searches from the
            working directory upward.

    Raises:
        ConfigError: There is none, or it says something wrong; names file, key
            and what was expected, never a value of a stack's configuration.
    """
    from pathlib import Path

    given = Path.cwd() if path is None else Path(path)
    if given.is_dir():
        file, data = _search(given.absolute())
    else:
        table = _read(given)
        if table is None:
            raise _wrong(
                str(given), "tool.iaclib", "not there, expected a table; add [tool.iaclib], or use iaclib.toml"
            )
        file, data = given, table
    found = _structured(data, file)
    return Config(os.environ.get(_STATE) or found.state, found.stacks, str(file))


def _search(start: Path) -> tuple[Path, dict[str, Any]]:
    for folder in (start, *start.parents):
        for name in (_FILE, _PROJECT_FILE):
            file = folder / name
            if file.is_file() and (data := _read(file)) is not None:
                return file, data
    raise _wrong(
        str(start),
        _FILE,
        f"not found there nor in a folder above, expected {_FILE}, or {_PROJECT_FILE} with [tool.iaclib]; add one",
    )


def _read(file: Path) -> dict[str, Any] | None:
    """Read a file; None if it is a project's and has no table for iaclib."""
    import tomllib

    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise _wrong(
            str(file), "", f"it can't be read ({error.strerror}), expected a TOML file; check the path"
        ) from None
    except UnicodeDecodeError:
        raise _wrong(str(file), "", "it is not UTF-8, expected a TOML file; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _wrong(str(file), "", f"it is no TOML ({error}), expected key = value lines; correct it") from None
    if file.name != _PROJECT_FILE:
        return data
    tools = data.get("tool", {})
    return tools.get("iaclib") if isinstance(tools, dict) else None


def _wrong(file: str, key: str, problem: str) -> ConfigError:
    where = f"{file}: {key}" if key else file
    return ConfigError(f"{where}: {problem}", path=file, key=key)


def _key(*parts: str) -> str:
    """Write a key as TOML does."""
    return ".".join(part if part.replace("-", "").replace("_", "").isalnum() else json.dumps(part) for part in parts)


# ---------------------------------------------------------------------------------------------------------- structure


class _WrongError(ValueError):
    """A value that is not what its key takes; the text says what was expected, and no value."""


def _structured(data: Any, file: Path) -> _File:
    from cattrs import transform_error
    from cattrs.errors import BaseValidationError

    try:
        found: _File = _converter().structure(data, _File)
    except BaseValidationError as error:
        problem, _, at = transform_error(error, format_exception=_explain)[0].rpartition(" @ $")
        raise _wrong(str(file), at.lstrip(".").replace("['", ".").replace("']", ""), f"{problem}; correct it") from None
    except _WrongError as error:
        raise _wrong(str(file), "", f"{error}; correct it") from None
    return found


def _explain(error: BaseException, cls: type | None) -> str:
    """Say what is wrong with a key, without its value."""
    from cattrs.errors import ForbiddenExtraKeysError

    if isinstance(error, ForbiddenExtraKeysError):
        known = [one.name for one in attrs.fields(error.cl)]
        name = min(error.extra_fields)
        hint = near(name, known) or f"there are {', '.join(known)}"
        return f"no key {name!r}, expected one that is known ({hint})"
    return str(error) if isinstance(error, _WrongError) else f"expected {getattr(cls, '__name__', cls)}"


def _converter() -> Any:
    """Make a converter that takes values as they are, and converts none."""
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True)
    for kind in (str, int, float, bool):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, Any], _exactly(dict))
    converter.register_structure_hook_func(attrs.has, lambda value, kind: _table(converter, value, kind))
    return converter


def _exactly(kind: type) -> Any:
    def check(value: Any, _type: Any) -> Any:
        if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
            return value
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        word = "a table" if kind is dict else kind.__name__
        raise _WrongError(f"expected {word}, got {type(value).__name__}")

    return check


def _table(converter: Any, value: Any, kind: Any) -> Any:
    from cattrs.gen import make_dict_structure_fn

    if not isinstance(value, dict):
        raise _WrongError(f"expected a table, got {type(value).__name__}")
    return make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)(value, kind)


# -------------------------------------------------------------------------------------------------- a stack's fields


def field_values(config: Config, ref: StackRef, known: ClassFacts) -> dict[str, Any]:
    """Give the values of a stack's fields: what the file says, over it what the environment does.

    Args:
        config: What the file says.
        ref: Which stack.
        known: The fields of its class.

    Raises:
        ConfigError: A key is unknown, missing, or of the wrong type.
    """
    section, entry = config.stack(ref)
    fields = {name: facts for name, facts in known.fields.items() if not facts.spec.computed}
    found: dict[str, Any] = {}
    for name, value in entry.config.items():
        key = f"{section}.config.{_key(name)}"
        if name not in fields:
            raise _wrong(
                config.path, key, f"no such field, expected one of the stack's ({_hint(name, fields)}); correct it"
            )
        found[name] = _fitted(value, fields[name], config.path, key)
    by_variable = {name.upper(): name for name in fields}
    for variable in sorted(os.environ):
        if not variable.startswith(_FIELD):
            continue
        named = variable.removeprefix(_FIELD)
        if named not in by_variable:
            msg = f"environment: {variable}: no such field, expected one of the stack's ({_hint(named, by_variable)}); correct it, or unset it"
            raise ConfigError(msg, path="environment", key=variable)
        field = fields[by_variable[named]]
        found[field.name] = _fitted(_parsed(os.environ[variable], field, variable), field, "environment", variable)
    missing = [name for name, facts in fields.items() if facts.spec.required and name not in found]
    if missing:
        name = missing[0]
        raise _wrong(
            config.path,
            f"{section}.config.{name}",
            f"missing, expected {_words(fields[name])}; add it, or set {_FIELD}{name.upper()}",
        )
    return found


def _hint(name: str, known: Mapping[str, Any]) -> str:
    return near(name, known) or f"there are {', '.join(known) or 'none'}"


def _words(field: FieldFacts) -> str:
    return field.shape.words() if field.shape is not None else getattr(field.kind, "__name__", "a value")


def _fitted(value: Any, field: FieldFacts, file: str, key: str) -> Any:
    """Turn a value of TOML or JSON into what the field takes."""
    shape = field.shape
    if shape is None:
        return value if field.kind is None or isinstance(value, field.kind) else _made(value, field, file, key)
    if shape.kind == "asset" and isinstance(value, str):
        return Asset(os.path.join(os.path.dirname(file), value))  # noqa: PTH118, PTH120 - relative to the file
    fault = shape.fault(value, hide=field.spec.secret)
    if fault is not None:
        raise _wrong(file, f"{key}{fault.path}", f"{fault.problem}; correct it")
    return value


def _made(value: Any, field: FieldFacts, file: str, key: str) -> Any:
    """Make an object of a class of the program, such as an attrs class of settings."""
    from cattrs import transform_error
    from cattrs.errors import BaseValidationError

    try:
        return _converter().structure(value, field.kind)
    except BaseValidationError as error:
        problem, _, at = transform_error(error, format_exception=_explain)[0].rpartition(" @ $")
        raise _wrong(file, key + at.replace("['", ".").replace("']", ""), f"{problem}; correct it") from None
    except Exception as error:  # noqa: BLE001 - whatever the class raises may hold the value
        why = str(error) if isinstance(error, _WrongError) else type(error).__name__
        raise _wrong(
            file, key, f"{_words(field)} could not be made of it ({why}), expected what the class takes; correct it"
        ) from None


def _parsed(text: str, field: FieldFacts, variable: str) -> Any:
    """Read the text of a variable as what the field takes: text as it is, anything else as JSON."""
    shape = field.shape
    kinds = _kinds(shape) if shape is not None else {"any"}
    if kinds <= {"str", "asset"}:
        return text
    if kinds == {"bool"}:
        value = _TRUTHS.get(text.strip().lower())
        return text if value is None else value  # the shape says what was expected
    try:
        return json.loads(text)
    except ValueError:
        if kinds & {"str", "any"}:
            return text
        shown = MASK if field.spec.secret else repr(text[:60])
        example = (
            ', such as ["a", "b"]' if "list" in kinds else ', such as {"a": 1}' if kinds & {"map", "object"} else ""
        )
        msg = f"environment: {variable}: expected {_words(field)} as JSON{example}, got {shown}; correct it"
        raise ConfigError(msg, path="environment", key=variable) from None


def _kinds(shape: Shape) -> set[str]:
    return {option.kind for option in shape.options} if shape.options else {shape.kind}


def refused(error: InvalidPropertyError, config: Config) -> ConfigError:
    """Tell what a stack's own checks refused as a mistake in the configuration."""
    return ConfigError(f"{config.path}: {error.message}", path=config.path, key="")
