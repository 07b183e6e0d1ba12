"""The HTTP API in the dialects that frontends speak: OpenAI's, Anthropic's, llama.cpp's and KoboldCpp's."""
