"""Who can answer: a local model, a hosted one, the persona's authored lines, and a test double."""
