"""Where shards run: threads, ranks of MPI, and the tree that adds their gradients."""
