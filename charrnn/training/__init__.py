"""Training runs, from a plan to files from which an interrupted run can continue."""
