"""The command line: the only code that prints, and the only code that knows Typer and Rich."""

import gc

gc.set_threshold(100_000)  # objects are made when modules are imported and kernels compiled, and stay
