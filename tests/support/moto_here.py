"""Moto's server, which here lists its own modules once, not twice a request, and writes no log of requests."""

from __future__ import annotations

import logging

from moto import backends
from moto.server import main

if __name__ == "__main__":
    names = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: names
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    main()
