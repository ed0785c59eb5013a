"""The program: its commands, and how an error becomes one line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from .. import __version__
from ..errors import CharrnnError
from . import evaluate, gradcheck, info, sample, train

app = typer.Typer(
    name="charrnn",
    help="Character-level language models: train, sample, score and check recurrent networks on a CPU.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train.train)
app.command("sample")(sample.sample)
app.command("eval")(evaluate.evaluate)
app.command("info")(info.info)
app.command("gradcheck")(gradcheck.gradcheck)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"charrnn {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    if debug:
        os.environ["CHARRNN_DEBUG"] = "1"


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 3 diverged, 4 check failed, 130 Ctrl-C."""
    try:
        app()
    except CharrnnError as error:
        _fail(error, error.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader has what it wanted: charrnn sample ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (OSError, MemoryError) as error:
        _fail(error, 1)


def _fail(error: BaseException, code: int) -> None:
    from .console import fail

    if os.environ.get("CHARRNN_DEBUG"):
        raise error
    fail(str(error) or type(error).__name__)
    sys.exit(code)
