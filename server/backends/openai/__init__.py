"""Any server that speaks OpenAI's chat completions, streaming over one shared HTTP session."""
