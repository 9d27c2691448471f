"""How packs, their modules and their stubs are made; used in development and when the package is built, not installed."""
