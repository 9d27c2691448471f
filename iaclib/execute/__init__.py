"""Carrying out a plan: steps and their order, calls, retries, recovery."""
