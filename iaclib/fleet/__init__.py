"""Many stacks at once: in processes of this machine, or on any ``concurrent.futures.Executor``."""

from iaclib.fleet.fleet import Fleet
from iaclib.fleet.member import EngineSettings, Member
from iaclib.fleet.report import Report, Result

__all__ = ["EngineSettings", "Fleet", "Member", "Report", "Result"]
