"""Rules that come with the component."""

from __future__ import annotations

from typing import Any

import iaclib as iac


@iac.policy(level="mandatory")
def every_queue_keeps_its_dead(change: Any) -> str | None:
    """Refuse queues that lose what fails: neither dead-letter queues nor with one."""
    after = change.after
    if change.type != "aws:sqs:Queue" or after is None or change.address.endswith("dead"):
        return None
    return None if after.get("redrive_policy") else "what fails here is lost: it has no dead-letter queue"
