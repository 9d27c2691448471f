"""The numbers with which the contract of a backend is tried under strain: those that everybody else has."""

from __future__ import annotations

from iaclib.testing.contracts import BackendContract


class InFull:
    """Put before a contract that tries less, so that the usual tests take no longer than they must."""

    racers, rounds, examples = BackendContract.racers, BackendContract.rounds, BackendContract.examples
