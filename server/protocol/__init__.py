"""The words a client speaks: messages, how they are written, and what can be wrong with them."""
