"""Training runs, from a plan to files that a stopped run goes on from."""
