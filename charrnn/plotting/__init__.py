"""Plot training runs from their logs."""
