"""What `barkeep bench route` runs: what a hosted route adds to a call, beside LiteLLM's proxy."""
