"""The samples of `iaclib.testing`, for tests and the programs that they start."""

from iaclib.testing.samples import ELSEWHERE, LINEAGE, REF, TTL, Clock, holder, put, record, write

__all__ = ["ELSEWHERE", "LINEAGE", "REF", "TTL", "Clock", "holder", "put", "record", "write"]
