"""Text into numbers: reading files, the vocabulary, the streams that training reads."""
