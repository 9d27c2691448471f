"""What a fleet is made of: stacks named by their programs, and the settings of the engines that run them.

All of it is plain data that any executor can carry to another process or
machine. Knows how a member becomes a stack and settings become an engine.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import attrs

from iaclib.declare.program import load_program
from iaclib.declare.stack import Stack
from iaclib.engine.engine import Engine
from iaclib.errors import ConfigError
from iaclib.model.addresses import StackRef, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iaclib.provider.base import Provider


def _program(given: Any) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, type) and issubclass(given, Stack):
        return f"{given.__module__}:{given.__qualname__}"
    msg = f"Member: the program is {type(given).__name__}, expected 'module:Class', or the class of a stack; pass one"
    raise ConfigError(msg)


@attrs.frozen
class Member:
    """One stack of a fleet.

    Args:
        program: ``"module:Class"``, or the class of a stack, which its module's name must lead to.
        name: The stack's name.
        config: Its fields; plain values, which are sent to where it runs. What
            is secret is better read there, from the environment or a store.
        project: Its project; "" takes that of the class.
        folder: Where to look for the module first.
    """

    program: str = attrs.field(converter=_program)
    name: str
    config: Mapping[str, Any] = attrs.field(factory=dict, repr=False)  # may hold secrets
    project: str = ""
    folder: str = ""

    def __attrs_post_init__(self) -> None:
        check_name(self.name, "stack")

    @property
    def ref(self) -> StackRef:
        """Project and name.

        Raises:
            ConfigError: The program names no stack.
        """
        return StackRef(self.project or load_program(self.program, self.folder)._iac_project, self.name)

    def stack(self) -> Stack:
        """Make the stack.

        Raises:
            ConfigError: The program names no stack.
            InvalidPropertyError: The configuration isn't what its fields take.
        """
        given = {**self.config, "project": self.project} if self.project else self.config
        return load_program(self.program, self.folder)(self.name, **given)


@attrs.frozen
class EngineSettings:
    """What each engine of a fleet is made with; see ``Engine``.

    Args:
        state: A URL that leads everywhere to the same state; not ``memory:``.
        providers: Configured access to clouds; they are sent to where a stack runs, without credentials.
        parallelism: Steps of one stack that run at once.
        keyring: One as text, or several.
        encrypt: "secrets", "all", or None.
        policies: Names of installed policies, or functions that can be found by their module and name.
        lease_ttl: How long others respect a run that fell silent.
        lease_wait: How long to wait for somebody else's run.
    """

    state: str = "sqlite:///.iaclib/state.db"
    providers: Sequence[Provider] = ()
    parallelism: int = 32
    keyring: str | Sequence[str] | None = None
    encrypt: Literal["secrets", "all"] | None = None
    policies: Sequence[Any] = ()
    lease_ttl: timedelta = timedelta(seconds=60)
    lease_wait: timedelta = timedelta(0)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.state, str) or self.state.startswith("memory:"):
            given = "memory:" if isinstance(self.state, str) else type(self.state).__name__
            msg = (
                f"state={given}: every stack of a fleet has an engine of its own, expected the URL of state that they "
                "all reach, such as 'postgresql://...' or, on one machine, 'sqlite:///infra.db'; pass one"
            )
            raise ConfigError(msg)

    def engine(self) -> Engine:
        """Make an engine."""
        return Engine(**{field.name: getattr(self, field.name) for field in attrs.fields(EngineSettings)})
