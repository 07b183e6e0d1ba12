"""Servers that answer over HTTP: wire formats, vendors and models apart, over one shared session."""
