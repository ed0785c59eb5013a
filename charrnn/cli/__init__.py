"""The command line: the only code that prints, and the only code that knows Typer and Rich."""

import gc

# what is made while modules are imported and kernels compiled stays: to look through it is lost time
gc.set_threshold(100_000)
