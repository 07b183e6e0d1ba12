"""OpenAI's chat completions: what is asked, and what the stream means."""
