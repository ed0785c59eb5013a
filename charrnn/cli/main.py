"""The program: its commands, and how errors become one line and an exit code."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import CharrnnError, ExitCode
from ..parallel import ranks
from ..system.new_threads import can_start
from ..version import __version__
from .options import spelled
from .output import drop_unwritten, open_closed_streams

COMMANDS = {  # command: its module, which has a function of the module's name
    "train": "train",
    "sample": "sample",
    "eval": "evaluate",
    "explain": "explain",
    "info": "info",
    "runs": "runs",
    "plot": "plot",
    "export": "export",
    "import": "importing",
    "gradcheck": "gradcheck",
    "selftest": "selftest",
    "bench": "bench",
    "warmup": "warmup",
}
PANELS = {"export": "Other programs", "import": "Other programs"} | dict.fromkeys(
    ("gradcheck", "selftest", "bench", "warmup"), "This installation"
)
ON_RANKS = ("train", "eval")  # commands that run on several MPI processes; the others ignore MPI
WRONG_USAGE = typer.BadParameter.__mro__[1]  # click's UsageError, which some versions of Typer bundle


def _version(wanted: bool) -> None:
    if wanted:
        print(f"charrnn {__version__}")
        raise typer.Exit


def program(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Build the command line with these commands only, since each takes time to build."""
    app = typer.Typer(
        name="charrnn",
        help="Train character-level language models with recurrent networks on a CPU, sample from them, "
        "score texts, and look inside.",
        epilog="Example: charrnn train corpus.txt",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    for name in names:
        module = import_module(f".{COMMANDS[name]}", __package__)
        app.command(name, rich_help_panel=PANELS.get(name))(getattr(module, COMMANDS[name]))
    return app


def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback if something fails.")] = False,
) -> None:
    if debug:
        os.environ["CHARRNN_DEBUG"] = "1"
    if context.invoked_subcommand != "bench" or not can_start():  # in bench PyTorch may use OpenBLAS too
        # NumPy multiplies little here, and OpenBLAS aborts the process where it cannot start its threads
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if context.invoked_subcommand in ON_RANKS and not {"--help", "-h"} & {*sys.argv}:
        _meet()


def _meet() -> None:
    """Start MPI, and check that all ranks run the same command; from then on rank 0 reports shared errors."""
    command = shlex.join(["charrnn", *sys.argv[1:]])
    ranks.refuse_differences(ranks.start(), {"command": command, "working folder": str(Path.cwd())})


def main() -> None:
    """Run the program.  Exits with an ExitCode, or with 128 plus the number of a signal."""
    open_closed_streams()
    try:
        arguments = sys.argv[1:] or ["--help"]
        app = program([arguments[0]] if arguments[0] in COMMANDS else COMMANDS)
        code = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as stop:  # raised by Typer for a closed pipe, and after shell completion
        if not isinstance(stop.__context__, BrokenPipeError):
            ranks.current().abort(ExitCode.FAILED)
            raise
        code = ExitCode.DONE
    except BrokenPipeError:  # the reader has had enough: charrnn sample ... | head
        code = ExitCode.DONE
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except Exception as error:
        if os.environ.get("CHARRNN_DEBUG"):
            traceback.print_exc()
        code = _fail(error)
    drop_unwritten()
    ranks.current().abort(code)
    sys.exit(code)


def _fail(error: Exception) -> int:
    """Print one line about an error.  Returns the exit code."""
    from .console import fail

    code = ExitCode.FAILED
    match error:
        case CharrnnError():
            line, code = error.spelled(spelled), error.code
        case _ if isinstance(error, WRONG_USAGE):
            line, code = _usage(error), ExitCode.USAGE
        case OSError():
            line = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
            line += "; make room on the disk" if error.errno == errno.ENOSPC else ""
        case MemoryError():
            line = f"not enough memory; {error}"
        case _:
            line = f"unexpected {type(error).__name__}: {error}; run charrnn --debug COMMAND ... to see where"
    fail(ranks.current().with_rank(line))
    return code


def _usage(error: Any) -> str:
    message = error.format_message().strip().rstrip(".")
    return f"{message}; see {error.ctx.command_path if error.ctx else 'charrnn'} --help"
