"""The doors: who may come in, how much they may cost, and how messages reach the dialogue."""
