"""Declarations of CE types, made on demand.

Written by `nox -s schemas`.
"""

from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
