"""Where the simulated cloud meets the engine: one handler for every type, one provider for every name.

The engine asks a ``Source`` for handlers and providers; this one gives
simulated ones only. Real handlers are not made, and providers that a program
configures are not asked who they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.execute.handlers import Source, guarded_config
from iaclib.provider.base import Identity, Provider
from iaclib.provider.registry import brings_handler
from iaclib.state.record import ProviderRecord
from iaclib.testing.faults import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iaclib.provider.context import Context
    from iaclib.provider.handler import Handler, Live
    from iaclib.testing.answers import Answers
    from iaclib.testing.cloud import Cloud

ACCOUNT, REGION = "123456789012", "eu-west-1"
_OWNERS = ("account", "project", "subscription_id", "subscription")
_PLACES = ("region", "location")


class SimulatedProvider(Provider):
    """Stands for the provider of any name, where a program configures none."""

    def __init__(self, name: str, account: str = ACCOUNT, region: str = REGION) -> None:
        self.name = name  # type: ignore[misc]  # one class for all names
        self.account = account
        self.region = region


def place_of(provider: Any) -> Identity:
    """Tell which account and region a provider would reach, by its settings alone."""
    if provider is None:
        return Identity(ACCOUNT, REGION)
    account = next((found for name in _OWNERS if (found := getattr(provider, name, None))), ACCOUNT)
    region = next((found for name in _PLACES if (found := getattr(provider, name, None))), REGION)
    return Identity(str(account), str(region))


class SimulatedHandler:
    """Works on objects of one type in the simulated cloud."""

    def __init__(self, type: str, cloud: Cloud, answers: Answers) -> None:
        self.type = type
        self._cloud = cloud
        self._answers = answers

    def create(self, ctx: Context[Any], inputs: Mapping[str, Any]) -> Live:
        """Create the object."""
        with self._cloud.call():
            return self._cloud.create(self.type, ctx, inputs, place_of(ctx.provider))

    def read(self, ctx: Context[Any], id: str) -> Live | None:
        """Show the object."""
        with self._cloud.call():
            return self._cloud.read(self.type, ctx, id)

    def find(self, ctx: Context[Any], inputs: Mapping[str, Any]) -> Live | None:
        """Show what the step's token made."""
        with self._cloud.call():
            return self._cloud.find(self.type, ctx)

    def update(self, ctx: Context[Any], id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Give the object other inputs."""
        with self._cloud.call():
            return self._cloud.update(self.type, ctx, id, after)

    def delete(self, ctx: Context[Any], id: str) -> None:
        """Delete the object."""
        with self._cloud.call():
            self._cloud.delete(self.type, ctx, id)

    def lookup(self, ctx: Context[Any], query: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Answer as the test said."""
        with self._cloud.call():
            self._cloud.ask(ctx)
        return self._answers.find(self.type, ctx.address, query, place_of(ctx.provider))

    @property
    def normalise(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]] | None:
        """What the type's behaviour brings of it."""
        return self._behaviour.normalise

    @property
    def replaces(self) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None:
        """What the type's behaviour brings of it."""
        return self._behaviour.replaces

    @property
    def _behaviour(self) -> Behaviour:
        return self._cloud.behaviours.get(self.type) or _PLAIN


_PLAIN = Behaviour()


class SimulatedSource(Source):
    """Gives simulated handlers and providers.

    Args:
        cloud: On which they work.
        answers: What lookups find.
    """

    def __init__(self, cloud: Cloud, answers: Answers) -> None:
        self._cloud = cloud
        self._answers = answers
        self._handlers: dict[str, SimulatedHandler] = {}

    def _serve(self, type_name: str) -> Handler[Any]:
        found = self._handlers.get(type_name)
        if found is None:
            found = self._handlers[type_name] = SimulatedHandler(type_name, self._cloud, self._answers)
        return found

    def own(self, type_name: str) -> Handler[Any] | None:
        """Give a simulated handler if the type's class brings a real one."""
        return self._serve(type_name) if brings_handler(type_name) else None

    def handler(self, type_name: str, provider: Provider) -> Handler[Any]:
        """Give a simulated handler."""
        return self._serve(type_name)

    def answerer(self, type_name: str, handler: Any) -> Any:
        """Give the same for lookups."""
        return self._serve(type_name)

    def provider(self, name: str) -> Provider:
        """Make a provider of any name."""
        return SimulatedProvider(name)

    def restored(self, record: ProviderRecord) -> Provider:
        """Make a provider that reaches what a record says."""
        return SimulatedProvider(record.name, record.account, record.region)

    def described(self, provider: Provider) -> ProviderRecord:
        """Describe a provider by its settings, without asking it."""
        config = {} if isinstance(provider, SimulatedProvider) else guarded_config(provider.config())
        return ProviderRecord(provider.name, *place_of(provider), config)
