"""Models in files: what they hold, how they are written whole, and how a stranger's are checked."""
