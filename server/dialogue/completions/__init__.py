"""Replies for clients that bring their own messages: plain routes, and NPCs seen through such a client's eyes."""
