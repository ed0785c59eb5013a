"""Plot learning curves with matplotlib, which only this file imports."""

from __future__ import annotations

import io
import logging
import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..config import symbol
from ..errors import CharrnnError
from ..training.logs import Point, Run
from .curves import epoch, labels, reached, smoothed

KINDS = ("png", "svg")
# distinguishable with any color blindness (Okabe & Ito 2008), without yellow, which fades on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
STYLES = ("-", "--", "-.", ":")
MARKERS = "os^Dv<>PX*"
MOST_MARKERS = 20  # on one curve
WIDEST = 32  # characters in a line of a label
TITLE = "thick: validation, with a dot at its best; thin: training, smoothed"
DOTS = 200  # per inch: 1,600 across, without the labels


def draw(runs: Sequence[Run], over: str = "chars", kind: str = "png") -> bytes:
    """Plot validation losses (thick) and training losses (thin); the same bytes for the same runs.

    over: `chars` or `seconds`.  kind: one of KINDS.
    Errors: CharrnnError if matplotlib is not installed.
    """
    settings = {"svg.fonttype": "none", "svg.hashsalt": "charrnn", "font.size": 10}
    file = io.BytesIO()
    with _defaults(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the font shows boxes for scripts that it lacks
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        _figure(runs, over).savefig(file, format=kind, dpi=DOTS, bbox_inches="tight", metadata=metadata)
    return file.getvalue()


@contextmanager
def _defaults(settings: dict[str, Any]) -> Iterator[None]:
    """Within the context, matplotlib has its defaults and `settings`, without the user's own settings."""
    log = logging.getLogger("matplotlib")
    before = log.level
    log.setLevel(logging.ERROR)  # it would warn about every bad line in the user's settings
    try:
        matplotlib = _load()
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(settings)
            yield
    finally:
        log.setLevel(before)


def _load() -> Any:
    """Import matplotlib, even if the user's settings break it: a missing backend, a file that is not text."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise CharrnnError("plotting needs matplotlib", "pip install matplotlib") from None
    except ValueError:
        # only after a failure, so that a notebook's own plots keep the user's settings
        spec, backend = find_spec("matplotlib"), os.environ.pop("MPLBACKEND", None)
        assert spec and spec.origin
        for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
            del sys.modules[name]  # partly loaded
        try:
            with chdir(Path(spec.origin).parent / "mpl-data"):  # its matplotlibrc takes precedence
                import matplotlib
        finally:
            if backend is not None:
                os.environ["MPLBACKEND"] = backend
    return matplotlib


def _figure(runs: Sequence[Run], over: str) -> Any:
    from matplotlib.figure import Figure

    names, usual = labels(runs)
    texts = [_folded(f"{_result(run)}  {name}") for run, name in zip(runs, names, strict=True)]
    title = _folded(f"unless noted: {usual}") if usual else ""
    rows = sum(text.count("\n") + 1 for text in texts) + len(texts) / 2 + title.count("\n")
    figure = Figure(figsize=(8, max(5.5, rows / 5)))
    axes = figure.add_subplot()
    unit, size = _unit(runs, over)
    lines = [_lines(axes, run, i, partial(_columns, over=over, size=size)) for i, run in enumerate(runs)]
    _scales(axes, runs, unit)
    # the highest first, in the order of the dots
    order = sorted(range(len(runs)), key=lambda i: -reached(runs[i]))
    legend = axes.legend(
        [lines[i] for i in order],
        [texts[i] for i in order],
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
        frameon=False,
        alignment="left",
        title_fontsize=9,
    )
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_parse_math(False)  # show a $ in a name as it is
    return figure


def _result(run: Run) -> str:
    """Return the loss that the kept model reached, and when."""
    return f"{reached(run):.3f} " + (f"at epoch {epoch(run.best.epoch)}" if run.best else "in training")


def _folded(text: str) -> str:
    """Fold a label into short lines that break only after the result or an option."""
    held = text.replace(" ", "\xa0").replace("\xa0\xa0", "\xa0 ").replace(",\xa0", ", ")
    return textwrap.fill(held, WIDEST).replace("\xa0", " ")


def _lines(axes: Any, run: Run, i: int, columns: Callable[..., Any]) -> Any:
    """Plot a run, and return its line for the legend."""
    style = {"color": COLOURS[i % len(COLOURS)], "linestyle": STYLES[i // len(COLOURS) % len(STYLES)]}
    (train,) = axes.plot(*columns(smoothed(run.train)), linewidth=0.8, alpha=0.6, **style)
    if not run.val:
        return train
    (val,) = axes.plot(
        *columns(run.val),
        linewidth=2,
        marker=MARKERS[i % len(MARKERS)],
        markersize=5,
        markevery=len(run.val) // MOST_MARKERS + 1,
        **style,
    )
    if run.best in run.val:  # and was not undone by a return to an earlier step
        dot = {"marker": "o", "markersize": 10, "markeredgecolor": "white", "markeredgewidth": 1.5}
        axes.plot(*columns([run.best]), linewidth=0, color=style["color"], zorder=3, **dot)
    return val


def _columns(points: Sequence[Point], over: str, size: float) -> tuple[list[float], list[float]]:
    return [getattr(point, over) / size for point in points], [point.bpc for point in points]


def _unit(runs: Sequence[Run], over: str) -> tuple[str, float]:
    """Return the unit of the x axis, and its size in characters or seconds."""
    if over == "chars":
        return f"{_symbol(runs)}s read", 1
    longest = max(point.seconds for run in runs for point in (*run.train, *run.val))
    fitting = [unit for unit in (("hours", 3600.0), ("minutes", 60.0)) if longest > 3 * unit[1]]
    name, size = (*fitting, ("seconds", 1.0))[0]
    return f"{name} of training and validation", size


def _symbol(runs: Sequence[Run]) -> str:
    return symbol("byte" if all(run.config.get("level") == "byte" for run in runs) else "char")


def _scales(axes: Any, runs: Sequence[Run], unit: str) -> None:
    from matplotlib.ticker import EngFormatter

    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(unit)
    axes.set_xlim(left=0)
    axes.set_ylabel(f"bits per {_symbol(runs)}")
    axes.set_ylim(*_range(runs))
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(TITLE, loc="left", fontsize=9, color="0.35")


def _range(runs: Sequence[Run]) -> tuple[float, float]:
    """Return the range from the lowest to the highest loss, without training losses in the first tenth."""
    shown = []
    for run in runs:
        end = max(run.train[-1:] + run.val[-1:], key=lambda point: point.step).step
        shown += [p.bpc for p in run.val] + [p.bpc for p in smoothed(run.train) if p.step >= end / 10]
    low, high = min(shown), max(shown)
    margin = 0.04 * (high - low or 1.0)
    return low - margin, high + margin
