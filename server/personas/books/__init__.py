"""Lorebooks: what their files say, and which entries a conversation brings up."""
