"""Anthropic's messages: what is asked, and what the stream means."""
