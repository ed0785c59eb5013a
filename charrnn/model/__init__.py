"""A model in memory: one flat vector of parameters, PyTorch's names for its parts, and code to run it."""
