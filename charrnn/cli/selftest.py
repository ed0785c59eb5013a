"""charrnn selftest"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ExitCode
from .options import option
from .output import json_line

if TYPE_CHECKING:
    from ..inspection.selftest import Digest

HEADER = f"{'case':<14} {'of':<18}  {'sha256':<16}"


def selftest(
    threads: Annotated[
        int, option("Run", "Number of threads; 0: one per core available to this process.")
    ] = 0,
    as_json: Annotated[bool, option("Output", "Print the results as one JSON document.", "--json")] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Check that this machine computes the same bits as others.

    Trains, samples and scores with small models of each cell, and compares
    digests of the results with those that come with charrnn.
    The exit code is 4 if one differs.

    Example: charrnn selftest
    """
    from ..inspection.selftest import cases, machine
    from .console import stdout

    found: list[Digest] = []
    for case in cases():
        for digest in results(case, threads, quiet):
            if not as_json:
                shown = f"{digest.case:<14} {digest.of:<18}  {digest.sha256[:16]}  {verdict(digest.same)}"
                stdout().print(*([] if found else [HEADER]), shown, sep="\n", soft_wrap=True)
            found.append(digest)
    differ = sum(not digest.same for digest in found)
    if as_json:
        digests: dict[str, dict[str, str]] = {}
        for digest in found:
            digests.setdefault(digest.case, {})[digest.of] = digest.sha256
        print(json_line({"same": not differ, "machine": machine(), "digests": digests}))
    else:
        of = ", ".join(f"{name} {value}" for name, value in machine().items())
        stdout().print(verdict(not differ), f"{differ} of {len(found)} differ; {of}", soft_wrap=True)
    raise typer.Exit(ExitCode.WRONG if differ else ExitCode.DONE)


def results(case: str, threads: int, quiet: bool) -> list[Digest]:
    """Run a case, and return its digests."""
    from ..inspection.selftest import run
    from .console import explain_compiling

    with explain_compiling(quiet):
        return list(run(case, threads))


def verdict(same: bool) -> str:
    return "[green]same[/]" if same else "[bold red]OTHER[/]"
