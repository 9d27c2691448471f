"""Measures whole processes, iaclib's beside a bare loop and other tools, and says which goals are met."""
