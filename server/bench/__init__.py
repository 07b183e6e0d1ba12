"""What `barkeep bench` runs: measurements of this server on this machine, model apart."""
