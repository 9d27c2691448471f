"""Suites of tests for what others write for iaclib: backends, handlers, components.

``HandlerContract`` and ``ComponentContract`` say at their methods what they are
to be told. The rest of this page is about backends, places where state is kept.

Everything that the engine relies on in a backend is a test here, and its
docstring is the promise. A backend of your own is tested by a class in a test
module, which pytest runs:

```python
from iaclib.testing.contracts import BackendContract


class TestMine(BackendContract):
    def make(self, tmp_path, clock):
        return Mine(tmp_path / "state", clock=clock)
```

``make`` opens the place that belongs to ``tmp_path``: new and empty at its
first call with a path, the same place again, through a client of its own, at
every later one (``shared = False`` says that there is no such thing, and what
takes two clients is tried with one). A place that isn't a folder takes its
name from the path, which is unique for each test.

What else may be told, by overriding:

- ``pass_time(backend, clock, seconds)``: lets time pass. The clock given to
  ``make`` moves by itself only; where leases end by a server's time, move what
  is stored there back instead (or wait).
- ``cost(backend)``: how many writes the backend made so far, and of how many
  bytes; without it nobody looks whether an append grows with the stack.
- ``racers`` and ``rounds``: how many clients race, and how often each tries.
- ``examples``: how many random sequences of events are tried; they need
  ``hypothesis``, and are skipped without it.
"""

from __future__ import annotations

import pytest

# A failing assert shows its values, as in any test module.
pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("components", "handlers", "leases", "racing", "sequences", "writing"))
)

from iaclib.testing.contracts.base import Cost  # noqa: E402 - rewritten from here on
from iaclib.testing.contracts.components import ComponentContract  # noqa: E402
from iaclib.testing.contracts.handlers import HandlerContract  # noqa: E402
from iaclib.testing.contracts.leases import LeaseContract  # noqa: E402
from iaclib.testing.contracts.racing import RacingContract  # noqa: E402
from iaclib.testing.contracts.sequences import SequenceContract  # noqa: E402
from iaclib.testing.contracts.writing import WritingContract  # noqa: E402

__all__ = ["BackendContract", "ComponentContract", "Cost", "HandlerContract"]


class BackendContract(WritingContract, LeaseContract, RacingContract, SequenceContract):
    """What every backend does, whatever it keeps state in; subclass it and define ``make``."""
