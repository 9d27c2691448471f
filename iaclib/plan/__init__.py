"""What would change and in which order: pure functions from declarations and state to a plan."""
