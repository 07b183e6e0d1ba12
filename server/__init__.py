"""Barkeep: a local dialogue server that gives game characters a mind of their own."""

__version__ = "0.1.0"
