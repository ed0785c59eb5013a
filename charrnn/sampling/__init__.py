"""Sample text from a model."""
