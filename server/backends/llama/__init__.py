"""The local model: a GGUF in a process of our own, and its vocabulary in this one."""
