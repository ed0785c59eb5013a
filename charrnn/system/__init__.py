"""Access to the machine: atomic files, locks, CPUs, threads, safe terminal output, standard streams."""
