"""What any program needs of its machine: whole files, locks, safe terminals, the standard streams."""
