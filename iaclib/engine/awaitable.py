"""The engine's operations for programs that run an event loop."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iaclib.declare.stack import Stack
    from iaclib.engine.drift import Drift
    from iaclib.execute.run import Run
    from iaclib.model.addresses import StackRef
    from iaclib.plan.plan import Plan


class Awaitable:
    """The awaitable forms: each runs its blocking twin in a thread, in the caller's context."""

    async def aplan(self, stack: Stack, **options: Any) -> Plan:
        """Do as ``plan`` does, without blocking the event loop."""
        done: Plan = await self._aside("plan", stack, **options)
        return done

    async def aapply(self, plan: Plan | Stack, **options: Any) -> Run:
        """Do as ``apply`` does, without blocking the event loop; cancelling it stops the run."""
        done: Run = await self._aside("apply", plan, **options)
        return done

    async def adestroy(self, ref: str | StackRef | Stack, **options: Any) -> Run:
        """Do as ``destroy`` does, without blocking the event loop; cancelling it stops the run."""
        done: Run = await self._aside("destroy", ref, **options)
        return done

    async def arefresh(self, ref: str | StackRef | Stack, **options: Any) -> Drift:
        """Do as ``refresh`` does, without blocking the event loop."""
        done: Drift = await self._aside("refresh", ref, **options)
        return done

    async def adrift(self, ref: str | StackRef | Stack, **options: Any) -> Drift:
        """Do as ``drift`` does, without blocking the event loop."""
        done: Drift = await self._aside("drift", ref, **options)
        return done

    async def _aside(self, name: str, *args: Any, **options: Any) -> Any:
        import asyncio  # slow, and needed here alone

        function, context = getattr(self, name), contextvars.copy_context()
        task = asyncio.get_running_loop().run_in_executor(None, lambda: context.run(function, *args, **options))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.cancel()  # type: ignore[attr-defined]  # the engine's
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # looked at: the caller asked to stop
            raise
