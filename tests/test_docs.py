"""What the documentation names is there: equations, functions, files."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import hostile
import numpy as np
import pytest

from charrnn.checkpoint.metadata import KINDS, TABLES
from charrnn.checkpoint.reading import load

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("c*/*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CELLS = sorted((ROOT / "charrnn" / "cells").glob("[!_]*.py"))
BPTT = (ROOT / "docs" / "bptt.md").read_text(encoding="utf-8")


def numbers(text: str) -> set[int]:
    """The equations that a text names: (1), (2) ..."""
    return {int(number) for number in re.findall(r"\((\d+)\)", text)}


def defined(file: Path) -> set[int]:
    """The equations of a file's docstring."""
    return numbers(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "")


def sections() -> list[tuple[Path, str]]:
    """The parts of bptt.md whose heading names a file."""
    parts = re.split(r"^##+ ", BPTT, flags=re.MULTILINE)
    named = [(re.search(r"`(charrnn/\S+\.py)`", part.split("\n")[0]), part) for part in parts]
    return [(ROOT / match[1], part) for match, part in named if match]


def test_a_section_is_of_a_cell_or_attention():
    """The derivations teach five; a cell of one's own need not have one."""
    files = [file for file, _ in sections()]
    assert {*files} <= {*CELLS, ROOT / "charrnn/kernels/attention.py"} and len(files) == len({*files}) == 5


@pytest.mark.parametrize("file, section", sections(), ids=lambda part: getattr(part, "stem", ""))
def test_a_section_derives_the_equations_of_its_file(file, section):
    assert numbers(section) == defined(file)


@pytest.mark.parametrize("file", CELLS, ids=lambda file: file.stem)
def test_every_equation_of_a_cell_is_on_a_line_of_code(file):
    lines = file.read_text(encoding="utf-8").split("\n")
    comments = " ".join(line.partition("#")[2] for line in lines if line.startswith("    "))
    assert defined(file) == numbers(comments) == set(range(1, len(defined(file)) + 1))


@pytest.mark.parametrize("file, name", sorted(set(re.findall(r"`(charrnn/\S+\.py): (\w+)`", BPTT))))
def test_a_function_that_is_named_is_there(file, name):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_point_at_files(page):
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing, f"{page.name} links to {', '.join(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_headings_find_them(page):
    for file, anchor in re.findall(r"\]\(([\w./-]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / file if file else page).read_text(encoding="utf-8")
        headings = [heading.lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
        assert anchor in {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def printed(program: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, program], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    return done.stdout.decode()


def test_the_reference_of_the_options_is_what_the_program_says():
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert page == printed("docs/options.py"), "run: python docs/options.py > docs/options.md"
    assert "......" not in page, "a metavar with dots of its own: the program adds them"


def test_the_table_of_hosts_is_what_the_model_says():
    page = (ROOT / "docs" / "mpi.md").read_text(encoding="utf-8")
    assert f"\n\n{printed('docs/mpi.py')}\n" in page, "put in what python docs/mpi.py prints"


def test_a_page_loads_a_checkpoint_into_pytorch(monkeypatch):
    """The block of Python that says how."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    blocks = re.findall(
        r"^( *)```python\n(.*?)```", (ROOT / "docs" / "checkpoints.md").read_text(), re.M | re.S
    )
    (block,) = (textwrap.dedent(body) for _, body in blocks if "torch" in body)
    monkeypatch.chdir(ROOT)
    exec(block, {})  # load_state_dict is strict: names and shapes


def test_the_page_of_checkpoints_names_all_they_hold(tmp_path):
    """Of a sound file with everything in it; layers and slots by their first number."""
    page = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    (tmp_path / "m.npz").write_bytes(hostile.sound())
    with np.load(tmp_path / "m.npz") as file:
        arrays, meta = (
            {re.sub(r"_l\d+$", "_lN", name) for name in file.files},
            json.loads(file["meta"].tobytes()),
        )
    names = arrays | meta.keys() | KINDS.keys() | TABLES["model"].keys() | TABLES["corpus"].keys()
    missing = {name for name in names | TABLES["metrics"].keys() if f"`{name}`" not in page}
    assert not missing


def test_the_page_of_checkpoints_reads_and_writes_one(monkeypatch, tmp_path, capsys):
    page = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    (tmp_path / "checkpoints").mkdir()
    source = (ROOT / "checkpoints" / "fables.npz").read_bytes()
    (tmp_path / "checkpoints" / "fables.npz").write_bytes(source)
    monkeypatch.chdir(tmp_path)
    (block,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "savez" in block)
    exec(block.replace("dict(numpy.load", "opened(numpy.load"), {"opened": opened})
    old, new = (load(Path("checkpoints", name)) for name in ("fables.npz", "shuns-q.npz"))
    assert capsys.readouterr().out == f"lstm {len(old.vocabulary)}\n"
    changed = np.flatnonzero(old.network.weights.out_bias[0] != new.network.weights.out_bias[0])
    assert [old.vocabulary.text[i] for i in changed] == ["q"]


def opened(file: np.lib.npyio.NpzFile) -> dict[str, np.ndarray]:
    """As dict, and closed at once: an open file is a warning."""
    with file:
        return dict(file)


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {*re.findall(r"\]\((\w[\w-]*\.md)\)", index)} == pages


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_place_for_figures_is_filled_by_the_script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    figures = importlib.import_module("figures")
    places = {
        place
        for part, (_, shown) in figures.PARTS.items()
        for place in (*shown, (figures.home(shown), f"{part} when"))
    }
    found = {
        (str(page.relative_to(ROOT)), name): text
        for page in PAGES
        for name, text in re.findall(
            r"<!-- figures ([\w ]+) -->\n(.*?)<!-- end -->", page.read_text(encoding="utf-8"), re.S
        )
    }
    assert found.keys() == places and all(text.strip() for text in found.values())
