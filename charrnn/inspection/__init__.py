"""Look inside a model: check its gradients, explain its units, gates and attention."""
