"""Export models to other programs, and import them."""
