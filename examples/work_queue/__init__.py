"""A queue for work, with a dead-letter queue and the right to use both: a component to share between stacks.

A package like this one is installed and imported as any other; its tests are
in ``test_work_queue.py`` beside it.
"""

from work_queue.component import WorkQueue
from work_queue.rules import every_queue_keeps_its_dead

__all__ = ["WorkQueue", "every_queue_keeps_its_dead"]
