"""Compiled code is kept where it can be, shared by processes, and never taken for other sources' code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import charrnn
from charrnn.kernels import jit

FOLDER = "from charrnn.kernels.jit import CACHE_FOLDER; print(CACHE_FOLDER, CACHE_FOLDER.is_dir())"
SIGMOID = """
import numpy as np
from charrnn.kernels.activations import sigmoid
x = np.zeros(4, np.float32)
sigmoid(x)
print(x[0], sum(sigmoid.stats.cache_hits.values()))
"""


def start(code: str, folder: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """An interpreter that runs `code` in a folder, whose package it finds first."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=kept | environment, stdout=subprocess.PIPE, text=True
    )


def output(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.split()


def test_the_folder_is_the_users_unless_another_is_named(tmp_path):
    digest = jit.sources_digest()
    home, named = str(tmp_path / "home"), str(tmp_path / "named")
    assert output(start(FOLDER, HOME=home)) == [f"{home}/.cache/charrnn/{digest}", "True"]
    assert output(start(FOLDER, XDG_CACHE_HOME=named)) == [f"{named}/charrnn/{digest}", "True"]
    assert output(start(FOLDER, HOME=home, NUMBA_CACHE_DIR=named)) == [f"{named}/{digest}", "True"]


def test_a_home_that_cannot_be_written_means_a_folder_of_the_process(tmp_path):
    folder, there = output(start(FOLDER, HOME="/proc/nowhere", TMPDIR=str(tmp_path)))
    assert Path(folder).parent == tmp_path and there == "True"
    assert not Path(folder).exists(), "gone with the process"


def test_two_processes_that_start_at_once_both_work_and_the_third_compiles_nothing(tmp_path):
    both = [start(SIGMOID, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert [output(process)[0] for process in both] == ["0.5", "0.5"]
    assert output(start(SIGMOID, NUMBA_CACHE_DIR=str(tmp_path))) == ["0.5", "1"]


def test_other_sources_have_another_folder(tmp_path):
    package = Path(charrnn.__file__).parent
    shutil.copytree(package, tmp_path / "charrnn", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "charrnn" / "cells" / "gru.py").open("a") as file:
        file.write("# changed\n")
    code = "from charrnn.kernels.jit import sources_digest; print(sources_digest())"
    assert output(start(code, tmp_path)) != [jit.sources_digest()]


NOTES = """
import numpy as np
from charrnn.cli import console
from charrnn.kernels.activations import sigmoid
console.SLOW = 0.0
with console.explain_compiling():
    sigmoid(np.zeros(4, np.float32))
"""


def test_only_a_start_that_compiles_is_said_to_compile(tmp_path):
    def notes() -> str:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", NOTES]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr

    first = notes().splitlines()
    assert [line.split()[0] for line in first] == ["compiling", "compiled"]
    assert notes() == ""
