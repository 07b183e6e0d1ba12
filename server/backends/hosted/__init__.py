"""Servers that answer over HTTP.

Who, how and what stand apart: `vendors` says where each provider is and what is odd about it, `openai` and `anthropic`
are the wire formats as pure functions, `catalogue` knows models by name. `target` puts the three together for a route,
and `backend` does the asking.
"""
