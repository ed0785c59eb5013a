"""Turn text into numbers: files, vocabularies, and the streams that training reads."""
