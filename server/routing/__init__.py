"""Which route answers: asked in order, each within its time, with the authored lines as the floor."""
