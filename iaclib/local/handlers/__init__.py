"""The local handlers, one module a subject. Declarations never import these."""
