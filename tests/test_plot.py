"""Pictures of learning curves: what is in them, and what `charrnn plot` writes and refuses."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import logs
import pytest
from program import Outcome, run, shell, terminal

from charrnn.errors import CharrnnError
from charrnn.plotting import picture
from charrnn.plotting.curves import LONGEST, read
from charrnn.training.events import Rewound
from charrnn.training.logs import Run

pytest.importorskip("matplotlib", reason="plotting needs matplotlib: pip install matplotlib")

PNG = b"\x89PNG\r\n\x1a\n"
SVG = "{http://www.w3.org/2000/svg}"


def runs(folder: Path, *options: dict[str, object], last: float = 2.0) -> list[Run]:
    paths = [logs.run(folder / f"{i}.jsonl", last + i / 10, **each) for i, each in enumerate(options)]
    return [run for path in paths for run in read(path)]


def texts(picture: bytes) -> list[str]:
    """All text of an SVG, which stays text."""
    return ["".join(node.itertext()) for node in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def overfitted(folder: Path, cell: str, best: float) -> Run:
    """A run whose best validation is its second of three."""
    losses = [logs.val(100, 5.0), logs.val(145, best), logs.val(300, 4.0)]
    log = logs.write(
        folder / f"{cell}.jsonl", logs.start(cell=cell), logs.step(1, 6.0), logs.step(30, 1.0), *losses
    )
    return read(log)[0]


def test_an_svg_holds_the_labels_as_text_the_highest_best_first(tmp_path):
    """Where each curve ends, that of a model which nobody keeps, does not count."""
    both = [
        *runs(tmp_path, {"cell": "gru"}),
        overfitted(tmp_path, "lstm", 1.5),
        overfitted(tmp_path, "rnn", 3.0),
    ]
    shown = texts(picture.draw(both, kind="svg"))
    assert [" ".join(text.split()) for text in shown if " at epoch " in text] == [
        "3.000 at epoch 14.5 rnn",
        "2.100 at epoch 30 gru",
        "1.500 at epoch 14.5 lstm",
    ]
    assert {"characters read", "bits per character"} <= {*shown}


def test_each_curve_has_a_dot_at_its_best(tmp_path):
    both = [overfitted(tmp_path, "lstm", 1.5), overfitted(tmp_path, "rnn", 3.0)]
    (axes,) = picture._figure(both, "seconds").axes
    dots = [line for line in axes.lines if line.get_linewidth() == 0]
    thick = [line for line in axes.lines if line.get_linewidth() == 2]
    assert [dot.get_xydata()[0].tolist() for dot in dots] == [
        [14.5, pytest.approx(1.5)],
        [14.5, pytest.approx(3.0)],
    ]
    assert [dot.get_color() for dot in dots] == [line.get_color() for line in thick]


def test_a_best_that_was_undone_has_no_dot(tmp_path):
    """The run went back behind it, so that its curve does not pass there; the label tells it all the same."""
    undone = [logs.val(50, 1.0), Rewound(40, 0.5), logs.step(50, 3.0), logs.val(50, 2.0)]
    log = logs.write(tmp_path / "a.jsonl", logs.start(), logs.step(40, 4.0), *undone)
    figure = picture._figure(read(log), "chars")
    assert not [line for line in figure.axes[0].lines if line.get_linewidth() == 0]
    assert [text.get_text() for text in figure.axes[0].get_legend().texts] == ["1.000 at epoch 5  a"]


def test_without_validation_the_last_steps_are_told(tmp_path):
    log = logs.write(tmp_path / "a.jsonl", logs.start(cell="gru"), logs.step(1, 6.0), logs.step(9, 3.0))
    assert "3.000 in training  a" in texts(picture.draw(read(log), kind="svg"))


def test_long_labels_are_folded_between_options(tmp_path):
    options = {"hidden_size": 512, "num_layers": 3, "dropout": 0.5}
    figure = picture._figure(runs(tmp_path, options, {}), "chars")
    first, _ = (text.get_text().split("\n") for text in figure.axes[0].get_legend().texts[::-1])
    assert [line.rstrip() for line in first] == [
        "2.100 at epoch 30",
        "hidden size 512, num layers 3,",
        "dropout 0.5",
    ]


def test_the_axes_have_the_unit_of_the_runs(tmp_path):
    hours = logs.write(
        tmp_path / "h.jsonl", logs.start(level="byte"), logs.step(1, 6.0), logs.step(9, 3.0, 9e4)
    )
    assert {"bytes read", "bits per byte"} <= {*texts(picture.draw(read(hours), kind="svg"))}
    shown = texts(picture.draw(read(hours), "seconds", "svg"))
    assert "hours of training and validation" in shown and "25" in shown
    assert "minutes of training and validation" in texts(
        picture.draw(runs(tmp_path, {}) + read(minutes(tmp_path)), "seconds", "svg")
    )


def minutes(folder: Path) -> Path:
    return logs.write(folder / "m.jsonl", logs.start(), logs.step(1, 6.0), logs.step(9, 3.0, 600))


def test_the_first_steps_do_not_flatten_the_rest(tmp_path):
    """Training falls from 6 bits; the picture begins where validation and its later losses do."""
    low, high = picture._range(runs(tmp_path, {}))
    assert 1.8 < low < 2.0 and 3.4 < high < 3.6


def test_ten_runs_are_told_apart_beside_their_curves(tmp_path):
    figure = picture._figure(runs(tmp_path, *({"seed": i} for i in range(10))), "chars")
    (axes,) = figure.axes
    thick = [line for line in axes.lines if line.get_linewidth() == 2]
    assert len({(line.get_color(), line.get_linestyle()) for line in thick}) == 10
    assert len({line.get_marker() for line in thick}) == 10
    figure.draw_without_rendering()
    legend = axes.get_legend().get_window_extent()
    assert legend.x0 > axes.bbox.x1 and 0 < legend.y0 < legend.y1 < figure.bbox.y1


@pytest.mark.parametrize("kind", picture.KINDS)
def test_the_same_runs_are_the_same_bytes(kind, tmp_path):
    ten = runs(tmp_path, *({"seed": i} for i in range(10)))
    drawn = picture.draw(ten, kind=kind)
    assert drawn.startswith(PNG if kind == "png" else b"<?xml")
    assert drawn == picture.draw(ten, kind=kind)


def test_odd_names_are_drawn_as_they_are(tmp_path):
    """No mathematics between dollars, no warning for a script that the font lacks, no hidden underscore."""
    shown = ["_$a$b", "\u5bd3\u8a00<&>", "x" * 500]
    paths = [logs.run(tmp_path / f"{i}.jsonl") for i in range(3)]
    named = [
        Run(name, run.config, "", run.train)
        for name, path in zip(shown, paths, strict=True)
        for run in read(path)
    ]
    held = " ".join(texts(picture.draw(named, kind="svg")))
    assert shown[0] in held and shown[1] in held
    assert held.count("x") == LONGEST < 500  # cut, so that the others have room
    assert picture.draw(named).startswith(PNG)


def test_without_matplotlib_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CharrnnError, match=r"needs matplotlib; pip install matplotlib$"):
        picture.draw(runs(tmp_path, {}))


# the command


@pytest.fixture
def folder(tmp_path) -> Path:
    logs.run(tmp_path / "gru.jsonl", cell="gru")
    logs.run(tmp_path / "lstm.jsonl", cell="lstm")
    (tmp_path / "mine.png").write_text("mine")
    (tmp_path / "text.txt").write_text("no log\n")
    return tmp_path


def test_a_picture_is_written_or_goes_to_stdout(folder):
    done = run("plot", "gru.jsonl", "lstm.jsonl", cwd=folder)
    assert (done.code, done.out, done.err) == (0, b"", "wrote curves.png\n")
    assert (folder / "curves.png").read_bytes().startswith(PNG)
    joined = (folder / "gru.jsonl").read_bytes() + (folder / "lstm.jsonl").read_bytes()
    made = run("plot", "gru.jsonl", "-o", "new/x.svg", cwd=folder)
    assert made.code == 0 and [path.name for path in (folder / "new").iterdir()] == ["x.svg"]
    piped = run("plot", "-", "-o", "-", "--format", "svg", "--over", "seconds", cwd=folder, stdin=joined)
    assert (piped.code, piped.err) == (0, "")
    assert "30" in texts(piped.out) and any(
        text.endswith("stdin gru") or text.endswith("  gru") for text in texts(piped.out)
    )
    forced = run("plot", "gru.jsonl", "-o", "mine.png", "--force", "-q", cwd=folder)
    assert (forced.code, forced.err) == (0, "") and (folder / "mine.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["gru.jsonl", "-o", "mine.png"], 2, ["mine.png exists", "--force"]),
        (["gru.jsonl", "-o", "x.pdf"], 2, ["'x.pdf'", ".png or .svg"]),
        (["gru.jsonl", "-o", "-"], 2, ["'-'", "--format"]),
        (["gru.jsonl", "--format", "gif"], 2, ["--format is 'gif'", "png, svg"]),
        (["gru.jsonl", "--over", "epochs"], 2, ["--over is 'epochs'", "chars, seconds"]),
        (["gru.jsonl", "-o", "gru.jsonl", "--format", "png", "--force"], 2, ["gru.jsonl is read", "--out"]),
        (["-", "-"], 2, ["stdin (-) is named twice"]),
        ([], 2, ["LOG", "charrnn plot --help"]),
        (["missing.jsonl"], 1, ["missing.jsonl cannot be read: No such file"]),
        (["gru.jsonl", "text.txt"], 1, ["line 1 of text.txt", "charrnn train wrote"]),
        (["-"], 1, ["stdin has no losses"]),
        (["gru.jsonl", "-o", "text.txt/x.png"], 1, ["text.txt cannot be written", "--out"]),
    ],
)
def test_one_line_says_what_is_wrong(arguments, code, words, folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert_one_line(run("plot", *arguments, cwd=folder), code, words)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_terminal_is_spared_a_png(folder):
    with terminal("plot", "gru.jsonl", "-o", "-", "--format", "png", cwd=folder) as shown:
        assert shown.end() == 2
        assert "a terminal cannot show a PNG; name a file with --out" in shown.shown


def test_a_missing_matplotlib_is_one_line(folder):
    (folder / "matplotlib.py").write_text("raise ModuleNotFoundError(name=__name__)")
    found_first = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = run("plot", "gru.jsonl", cwd=folder, PYTHONPATH=found_first)
    assert_one_line(done, 1, ["needs matplotlib", "pip install matplotlib"])


RC = {
    "colours and sizes": b"axes.facecolor: red\nfont.size: 30\nsavefig.transparent: True\n",
    "an absent font": b"font.family: NoSuchFont\nfont.sans-serif: NorThis\n",
    "TeX and no label": b"text.usetex: True\naxes.formatter.use_mathtext: True\nsvg.fonttype: path\n",
    "wrong lines": b"backend: nonsense\nlines.linewidth: thick\nno colon\nno.such.key: 1\n",
    "no text": b"\xff\xfe\x00a",
}


@pytest.mark.parametrize("kind", picture.KINDS)
@pytest.mark.parametrize("name", RC)
def test_a_matplotlibrc_changes_nothing(name, kind, folder):
    command = ["plot", "gru.jsonl", "lstm.jsonl", "-o", "-", "--format", kind]
    plain = run(*command, cwd=folder)
    (folder / "matplotlibrc").write_bytes(RC[name])
    done = run(*command, cwd=folder)
    assert (done.code, done.err) == (0, "") and done.out == plain.out


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "tkagg", "pdf"])
def test_a_backend_of_the_user_changes_nothing(backend, folder):
    """Jupyter's is known to its kernels alone; a window's needs a screen."""
    command = ["plot", "gru.jsonl", "-o", "-", "--format", "png"]
    done = run(*command, cwd=folder, MPLBACKEND=backend)
    assert (done.code, done.err) == (0, "") and done.out == run(*command, cwd=folder).out


def test_the_settings_of_a_program_stay_its_own(tmp_path):
    """And change no picture."""
    matplotlib = pytest.importorskip("matplotlib", reason="plotting needs matplotlib: pip install matplotlib")
    plain = picture.draw(runs(tmp_path, {}))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert picture.draw(runs(tmp_path, {})) == plain
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_is_one_line(folder):
    done = shell("$CHARRNN plot gru.jsonl -o - --format svg > /dev/full", folder)
    assert_one_line(done, 1, ["stdout: No space left on device"])


def assert_one_line(done: Outcome, code: int, words: list[str]) -> None:
    assert (done.code, done.out) == (code, b""), done.err
    assert done.err.startswith("charrnn: ") and done.err.count("\n") == 1, done.err
    for word in words:
        assert word in done.err
