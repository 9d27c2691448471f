"""The component."""

from __future__ import annotations

from collections.abc import Mapping

import iaclib as iac
from iaclib.aws import iam, sqs


class WorkQueue(iac.Component):
    """A queue for work.

    What fails ``attempts`` times goes to a dead-letter queue, which keeps it
    for two weeks. ``queue_url`` is for producers; workers take on ``role``.

    Args:
        attempts: How often a message is tried.
        seconds: How long one try may take.
        tags: For all that is made.
    """

    attempts: int = 5
    seconds: int = 30
    worker: str = "ec2.amazonaws.com"
    tags: Mapping[str, str] | None = None
    queue_url: iac.Output[str] = iac.computed()
    dead_url: iac.Output[str] = iac.computed()
    role_arn: iac.Output[str] = iac.computed()

    def build(self) -> None:
        """Declare queues and rights."""
        dead = sqs.Queue("dead", message_retention_period=14 * 24 * 3600, tags=self.tags)
        queue = sqs.Queue(
            "queue",
            visibility_timeout=self.seconds,
            redrive_policy={"deadLetterTargetArn": dead.arn, "maxReceiveCount": self.attempts},
            tags=self.tags,
        )
        role = iam.Role(
            "role",
            assume_role_policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": self.worker}, "Action": "sts:AssumeRole"},
                ],
            },
            tags=self.tags,
        )
        iam.RolePolicy(
            "work",
            role_name=role.id,
            policy_name="work",
            policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
                        "Resource": [queue.arn, dead.arn],
                    },
                ],
            },
        )
        self.queue_url = queue.queue_url
        self.dead_url = dead.queue_url
        self.role_arn = role.arn
