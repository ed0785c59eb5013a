"""docs/python.md and docs/notebook.ipynb run as they stand, and say what they print."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from recipes import ROOT, blocks, prepare

DOCS = ROOT / "docs"


def test_every_example_of_the_page_runs_in_order(tmp_path: Path):
    prepare(tmp_path)
    examples = blocks((DOCS / "python.md").read_text(encoding="utf-8"), "python")
    script = tmp_path / "page.py"
    # a spawned process imports the script, and is to do nothing then
    body = "\n".join(examples).replace('if __name__ == "__main__":', "if True:")
    script.write_text(
        "def page():\n"
        + re.sub("^", "    ", body, flags=re.M)
        + '\n\nif __name__ == "__main__":\n    page()\n'
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("<charrnn.Model lstm") and lines[1].startswith("The fox")
    assert lines.count("True") == 2 and re.search(r"^[a-z] 0\.\d$", done.stdout, re.M)
    assert (tmp_path / "maria.html").stat().st_size > 30_000
    assert re.fullmatch(r"\['start', '\w+'\] 4", lines[-1])


def test_the_notebook_is_what_its_script_makes():
    code = "import json, notebook; print(json.dumps(notebook.notebook()))"
    made = subprocess.run([sys.executable, "-c", code], cwd=DOCS, capture_output=True, text=True, check=True)
    assert json.loads((DOCS / "notebook.ipynb").read_text(encoding="utf-8")) == json.loads(made.stdout)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs(tmp_path: Path):
    nbformat = pytest.importorskip("nbformat", reason="runs a notebook with nbclient")
    nbclient = pytest.importorskip("nbclient", reason="runs a notebook with nbclient")
    book = nbformat.read(DOCS / "notebook.ipynb", as_version=4)
    os.environ["PYTHONPATH"] = str(ROOT)
    client = nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(DOCS)}})
    client.execute()
    outputs = [out for cell in book.cells for out in cell.get("outputs", [])]
    shown = "".join(out.get("text", "") + out.get("data", {}).get("text/plain", "") for out in outputs)
    assert "validate on" in shown and "'train'" in shown and "Qwzxy" in shown
    assert not any(out["output_type"] == "error" for out in outputs)
