"""charrnn: character-level language models with a recurrent network, trained fast on a CPU."""

__version__ = "0.1.0"
