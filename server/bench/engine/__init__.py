"""`barkeep bench engine`: the local engine beside what one would otherwise run, on one file in one run."""
