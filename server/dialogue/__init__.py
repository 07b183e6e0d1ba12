"""The conversation: sessions, scenes, turns, the floor, and who may speak when."""
