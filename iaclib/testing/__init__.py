"""What tests of programs, backends and providers are made with.

Importing this package loads nothing; ``pytest`` is needed by
``iaclib.testing.contracts`` alone.
"""
