"""The engine: what a program talks to, and how plans meet state and clouds."""
