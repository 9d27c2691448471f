"""Which handler and provider serve a type, and what they are told.

Keeps the providers of an engine: each is asked for its identity once, each
provider in a record is made again from its configuration at most once.
"""

from __future__ import annotations

import json
import re
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from iaclib.errors import CredentialsError, UnknownProviderError
from iaclib.model.values import Secret, reveal
from iaclib.provider.registry import own_handler, provider_class
from iaclib.state.record import ProviderRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iaclib.provider.base import Provider
    from iaclib.provider.handler import Handler
    from iaclib.state.record import Record

_CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]*://.*@", re.IGNORECASE)


def prefix(type_name: str) -> str:
    """Give the provider's name in a type: ``aws`` of ``aws:ec2:VPC``."""
    return type_name.partition(":")[0]


def _key(record: ProviderRecord) -> tuple[str, str, str, str]:
    config = json.dumps(reveal(dict(record.config)), sort_keys=True, default=str)
    return (record.name, record.account, record.region, config)


def guarded_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Make a secret of each URL with a password in it."""
    return {
        name: Secret(value) if isinstance(value, str) and _CREDENTIALS.match(value) else value
        for name, value in config.items()
    }


class Source:
    """Where handlers and providers come from: classes, wings, installed packages.

    The one place to stand in for the clouds, as the simulated one does.
    """

    def own(self, type_name: str) -> Handler[Any] | None:
        """Give the handler that a type's class brings itself, or None."""
        return own_handler(type_name)

    def handler(self, type_name: str, provider: Provider) -> Handler[Any]:
        """Give the handler by which a provider serves a type; KeyError if it doesn't."""
        return provider.handler(type_name)

    def answerer(self, type_name: str, handler: Any) -> Any:
        """Give what answers the lookups of a type whose class brings a handler, a class or an instance."""
        return _instance(handler) if isinstance(handler, type) else handler

    def provider(self, name: str) -> Provider:
        """Make the provider of a name, for resources that name none.

        Raises:
            UnknownProviderError: No provider has that name.
        """
        return provider_class(name)()

    def restored(self, record: ProviderRecord) -> Provider:
        """Make the provider that state describes."""
        return provider_class(record.name).from_config(reveal(dict(record.config)))

    def described(self, provider: Provider) -> ProviderRecord:
        """Ask a provider who it is, and describe it as state does."""
        account, region = provider.identity()
        return ProviderRecord(provider.name, account, region, guarded_config(provider.config()))


@cache
def _instance(handler: type) -> Any:
    """Make the handler that a class brings, once."""
    return handler()


class Access:
    """The providers and handlers that an engine works with.

    Args:
        providers: Given to the engine; each serves the types of its name.
        source: Where the others, and all handlers, come from.
    """

    def __init__(self, providers: Sequence[Provider] = (), source: Source | None = None) -> None:
        self.source = source or Source()
        self.defaults = {provider.name: provider for provider in providers}
        self._bound: dict[int, tuple[Provider, ProviderRecord]] = {}
        self._made: dict[tuple[str, str, str, str], Provider] = {}
        self._handlers: dict[tuple[str, int], Any] = {}
        self._lock = threading.RLock()

    def bind(self, provider: Provider) -> ProviderRecord:
        """Ask a provider who it is, once, and describe it as state does."""
        with self._lock:
            found = self._bound.get(id(provider))
            if found is None:
                record = self.source.described(provider)
                found = self._bound[id(provider)] = (provider, record)
                self._made.setdefault(_key(record), provider)
            return found[1]

    def default(self, type_name: str, address: str) -> Provider | None:
        """Give the provider for a resource that names none.

        Raises:
            UnknownProviderError: The type needs one that is not known here.
        """
        name = prefix(type_name)
        with self._lock:
            found = self.defaults.get(name)
            if found is not None:
                return found
            if self.source.own(type_name) is not None:
                return None
            try:
                found = self.defaults[name] = self.source.provider(name)
            except UnknownProviderError:
                msg = (
                    f"{address}: nothing serves {type_name!r}, "
                    f"expected a handler on its class or a provider named {name!r}; "
                    "give handler= to the class, or pass providers=[...] to the Engine"
                )
                raise UnknownProviderError(msg, type=type_name) from None
            return found

    def instance(self, record: ProviderRecord) -> Provider:
        """Give the provider that a record describes, made from its configuration if need be."""
        with self._lock:
            found = self._made.get(_key(record))
            if found is not None:
                return found
            for provider in self.defaults.values():  # the same identity: credentials of this engine are good for it
                if (
                    provider.name == record.name
                    and (bound := self.bind(provider)).identity == record.identity
                    and bound.config == record.config
                ):
                    self._made[_key(record)] = provider
                    return provider
            made = self.source.restored(record)
            self._check_reached(record, made)
            self._made[_key(record)] = made
            return made

    def _check_reached(self, record: ProviderRecord, made: Provider) -> None:
        """Refuse credentials of another account: what they don't see would count as gone.

        Raises:
            CredentialsError: They reach another account than the recorded one.
        """
        account = self.bind(made).account if record.account else ""
        if account and account != record.account:
            msg = (
                f"{record.name}: state was written through account {record.account}, but the credentials at hand reach "
                f"{account}, expected the same; use those of {record.account}, or pass a provider that has them"
            )
            raise CredentialsError(msg, provider=record.name, account=record.account, reached=account)

    def reach(self, record: ProviderRecord, provider: ProviderRecord) -> None:
        """Let a provider that is known here serve what another record describes, of the same identity."""
        instance = self.instance(provider)
        with self._lock:
            self._made.setdefault(_key(record), instance)

    def serve(
        self, type_name: str, provider: ProviderRecord | None, address: str, defined_by: str = ""
    ) -> tuple[Handler[Any], Provider | None]:
        """Give the handler of a type and the provider that it works with.

        Raises:
            UnknownProviderError: The type is not known here; says what to import.
        """
        instance = self.instance(provider) if provider is not None else None
        handler = self.source.own(type_name)
        if handler is None and instance is not None:
            key = (type_name, id(instance))
            handler = self._handlers.get(key)
            if handler is None:
                try:
                    handler = self._handlers[key] = self.source.handler(type_name, instance)
                except KeyError:
                    handler = None
        if handler is None:
            what = (
                f"import {defined_by.partition(':')[0]}, which defines it"
                if defined_by
                else f"import the module that defines {type_name!r}"
            )
            msg = f"{address}: the type {type_name!r} is not known here, expected its handler to be imported; {what}"
            raise UnknownProviderError(msg, type=type_name)
        return handler, instance

    def of_record(self, record: Record) -> tuple[Handler[Any], Provider | None]:
        """Give handler and provider of what state holds."""
        return self.serve(record.type, record.provider, record.address, record.defined_by)


def timeout_of(action: str, declared: Mapping[str, Any] | None, facts: Any, default: float) -> float:
    """Give the seconds an action may take: the option, else the type's, else the default."""
    for source in (declared, getattr(facts, "timeouts", None)):
        if not source:
            continue
        seconds = source.get(action) if hasattr(source, "get") else getattr(source, action, None)
        if seconds is not None:
            return float(seconds.total_seconds() if hasattr(seconds, "total_seconds") else seconds)
    return default


def plain_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Give inputs as handlers get them: secrets revealed."""
    return {name: reveal(value) for name, value in inputs.items()}
