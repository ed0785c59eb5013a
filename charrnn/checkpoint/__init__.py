"""Models in files: what they hold, how they are written whole, and how untrusted ones are checked."""
