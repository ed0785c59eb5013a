"""A model in memory: one flat vector of parameters, PyTorch's names for it, and what runs on it."""
