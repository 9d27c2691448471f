"""The pytest plugin: fixtures ``sim`` and ``plan_snapshot``, the marker ``iaclib_live``, plans as text in failures.

Loads nothing of the library until a fixture is used, as pytest imports it in
every project of the environment.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from iaclib.testing.simulator import Simulator

_LIBRARY = "iaclib.errors"  # loaded by whatever of the library can raise
_SHOWN = 200  # lines of a plan that a failure repeats
_PASSED = pytest.StashKey[bool]()
_UNMET = (
    "{}: no call met it, expected one before the test ends; correct operation and address, or say must=False if it "
    "need not happen"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that lets tests change real clouds."""
    group = parser.getgroup("iaclib")
    group.addoption(
        "--iaclib-live",
        action="store_true",
        default=False,
        help="run tests marked iaclib_live, which change a real cloud account",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "iaclib_live: changes a real cloud account; runs with --iaclib-live only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what changes real clouds, unless it was asked for."""
    if config.getoption("--iaclib-live"):
        return
    skip = pytest.mark.skip(reason="changes a real cloud account: needs --iaclib-live")
    for item in items:
        if item.get_closest_marker("iaclib_live") is not None:
            item.add_marker(skip)


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Give a Simulator of the test's own: an engine whose clouds are simulated.

    A test that passes although no call met a fault which it asked for fails.
    """
    from iaclib.testing.simulator import Simulator

    with Simulator() as made:
        yield made
        if made.unmet and request.node.stash.get(_PASSED, False):
            pytest.fail(_UNMET.format(", ".join(made.unmet)), pytrace=False)


@pytest.fixture
def plan_snapshot(request: pytest.FixtureRequest) -> Any:
    """Give the stored text of a plan: ``assert plan == plan_snapshot``; ``--snapshot-update`` stores it."""
    try:
        from iaclib.testing.canonical import PlanExtension
    except ModuleNotFoundError as error:
        if error.name != "syrupy":
            raise
        pytest.fail("plan_snapshot: syrupy is not installed; install iaclib[testing]", pytrace=False)
    return request.getfixturevalue("snapshot").use_extension(PlanExtension)


def _is_ours(value: Any) -> bool:
    """Tell a Plan, Run or Drift without importing any."""
    kind = type(value)
    return kind.__name__ in ("Plan", "Run", "Drift") and kind.__module__.startswith("iaclib.")


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show plans, runs and drift as text, and two of them as the difference of their texts."""
    if not _is_ours(left) and not _is_ours(right):
        return None
    if type(left) is type(right):
        import difflib

        from iaclib.testing.canonical import canonical

        lines = difflib.unified_diff(
            canonical(left).splitlines(), canonical(right).splitlines(), "left", "right", lineterm="", n=2
        )
        return [f"{left!r} {op} {right!r}", *lines]
    if not (_is_ours(left) and isinstance(right, str | int | bool | None)):
        return None
    return [f"{left!r} {op} {right!r}", *str(left).splitlines()[:_SHOWN]]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    """Show failures as a person reads them: without frames of the library, with what the simulator planned and did."""
    outcome = yield
    report = outcome.get_result()
    raised, full = call.excinfo, item.config.getoption("fulltrace", default=False)
    if report.failed and raised is not None and not full and _LIBRARY in sys.modules:
        from iaclib.testing.failures import shown

        short = shown(raised.value)
        if short is not None:
            report.longrepr = item.repr_failure(pytest.ExceptionInfo.from_exc_info((type(short[0]), *short)))
    used: Any = getattr(item, "funcargs", {}).get("sim")
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    if report.when == "call" and report.failed:
        for title, value in getattr(used, "last", {}).items():
            report.sections.append((f"iaclib: {title}", "\n".join(str(value).splitlines()[:_SHOWN])))
