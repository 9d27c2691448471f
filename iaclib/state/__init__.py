"""What is remembered of a stack, and the contract of where it is kept."""
