"""`barkeep bench memory`: how much of what matters is remembered, in how many tokens, and how fast."""
