"""The base of configured access to one cloud."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from iaclib.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.provider.handler import Handler
    from iaclib.provider.permissions import Need

#: The providers that ``with provider:`` blocks have put in force, innermost last.
active: ContextVar[tuple[Provider, ...]] = ContextVar("iaclib_active_providers", default=())


class Identity(NamedTuple):
    """Which account (or project, or subscription) and region a provider reaches."""

    account: str
    region: str


class Provider:
    """Configured access to one cloud: account, region, credentials, endpoint.

    A provider is a plain value, known when planning. Used as ``with
    provider:`` it serves what is declared in the block. Subclasses set
    ``name``, which is the prefix before ``:`` of the types that they serve;
    defining one registers the name.
    """

    name: ClassVar[str] = ""
    default_tags: Mapping[str, str] = {}
    limits: Mapping[str, int] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__ and cls.name:
            _register(cls)

    def identity(self) -> Identity:
        """Tell which account and region this reaches; calls the cloud only if it must."""
        return Identity("", "")

    def handler(self, type: str) -> Handler[Any]:
        """Give the handler of a type; KeyError if this provider does not serve it."""
        raise KeyError(type)

    def config(self) -> Mapping[str, Any]:
        """Give the non-credential configuration as JSON, for ``from_config``."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make the provider that ``config()`` describes."""
        return cls(**config)

    @classmethod
    def declared_in(cls, type: str) -> str:  # noqa: ARG003 - for those that override it
        """Name the module, or ``module:Class``, whose import makes a type known; "" if there is none."""
        return ""

    @classmethod
    def actions(cls, need: Need) -> frozenset[str] | None:  # noqa: ARG003 - for those that override it
        """Give the actions that credentials must be allowed for a need; None if that is not known."""
        return None

    @classmethod
    def present_type(cls, type: str) -> str:
        """Give the name that a type has now, where a record may have it under a former one."""
        return type

    def service(self, type: str) -> str:
        """Name the service whose rate limits a type's calls share."""
        return type.split(":")[1] if type.count(":") > 1 else self.name

    def __enter__(self) -> Self:
        active.set((*active.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        active.set(active.get()[:-1])


#: Provider classes by name: process-wide because classes are.
known_providers: dict[str, type[Provider]] = {}


def _register(cls: type[Provider]) -> None:
    """Make a provider class known by its name."""
    known = known_providers.get(cls.name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        msg = (
            f"provider {cls.name!r} is defined by {known.__module__}.{known.__qualname__} and again by "
            f"{cls.__module__}.{cls.__qualname__}, expected one class a name; rename one of them"
        )
        raise DeclarationError(msg)
    known_providers[cls.name] = cls
