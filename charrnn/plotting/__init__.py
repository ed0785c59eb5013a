"""Pictures of training runs, from their logs."""
