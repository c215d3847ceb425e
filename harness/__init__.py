"""Load and chaos testing for backends that give every tenant a database of its own."""

__version__ = "0.1.0"
