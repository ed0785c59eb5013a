"""The command line. Only this package prints, and only this package uses Typer and Rich."""

import gc

# what importing and compiling allocates lives until the program ends: to look through it wastes time
gc.set_threshold(100_000)
