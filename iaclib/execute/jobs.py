"""How a record becomes a job: its handler, provider, limit, deadline and settle time, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.execute.handlers import timeout_of
from iaclib.execute.job import Job
from iaclib.execute.retry import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.execute.handlers import Access
    from iaclib.execute.limits import Limit, Limits
    from iaclib.provider.base import Provider
    from iaclib.schema.facts import TypeFacts
    from iaclib.state.record import ProviderRecord, Record


class Jobs:
    """Makes the jobs of one stack.

    Args:
        access: Gives handlers and providers.
        limits: Of concurrent calls.
        facts: Gives the facts of a type, or None.
        urn: Gives the urn of an address.
        stack: ``project/stack``.
    """

    def __init__(
        self,
        access: Access,
        limits: Limits,
        facts: Callable[[str], TypeFacts | None],
        urn: Callable[[str], str],
        stack: str,
    ) -> None:
        self.access = access
        self.limits = limits
        self.facts = facts
        self.urn = urn
        self.stack = stack

    def make(self, of: Record, /, action: str, step: str = "", *, timed: str = "", **more: Any) -> Job:
        """Make the job of one call.

        Args:
            of: The object, as it is or as it shall become.
            action: What to do; see ``Job``.
            step: The step's id.
            timed: Whose timeout counts, if not the action's.
            **more: Further fields of the job. ``begun``, from which the settle
                time counts, is when the object was created unless given.
        """
        handler, provider = self.access.of_record(of)
        facts = self.facts(of.type)
        return Job(
            action,
            step,
            of.address,
            self.urn(of.address),
            self.stack,
            handler,
            provider,
            self.limit(of.type, of.provider, provider),
            timeout=timeout_of(timed or action, of.options.get("timeouts"), facts, TIMEOUT),
            settle=facts.settle if facts is not None else 0.0,
            **{"begun": of.created, "guard": of, **more},
        )

    def limit(self, type: str, held: ProviderRecord | None, provider: Provider | None) -> Limit:
        """Give the limit that the calls of a type share."""
        service = provider.service(type) if provider is not None else type
        return self.limits.of(
            (held.name, *held.identity, service) if held is not None else ("", "", "", service),
            (provider.limits or {}).get(service) if provider is not None else None,
        )
