"""What a cloud adapter is: handlers, providers, and what the engine gives them."""
