"""What the house model can do, asked through the server's own prompt and engine."""
