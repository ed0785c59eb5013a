"""The same bits on every processor: digests of training, samples and scores, by vectors of any width."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from program import run
from test_machine import MACHINES, X86

from charrnn.inspection import selftest
from charrnn.kernels.processor import features
from charrnn.model.network import Network
from charrnn.parallel.threads import Team
from charrnn.scoring.reader import Reader
from charrnn.text.corpus import from_text

THINGS = {"weights", "fine-tuned weights", "sample", "scores", "dynamic scores"}
SCRIPT = """
import json
from charrnn.inspection import selftest
from charrnn.kernels import processor

digests = {each.of: each.sha256 for each in selftest.run("rnn", 1)}
print(json.dumps({"bytes": processor.VECTOR_BYTES, "digests": digests}))
"""
CONTROL = """
from charrnn.kernels import jit, sums

@jit.jit
def total(x):  # this sum is left to the compiler, as all once were
    t = x.dtype.type(0)
    for k in range(x.size):
        t += x[k]
    return t
total._compiler.targetoptions["fastmath"] = {"reassoc"}
sums.total = total

import json
from test_bits import scores

print(json.dumps(scores()))
"""


def scores() -> list[float]:
    """Of an untrained network; a kernel less to compile than training it."""
    text = from_text(selftest.sums(0))
    team = Team(1)
    network = Network(selftest.CASES["rnn"][0], len(text.vocabulary), seed=1)
    nats = Reader(network, team).read(text.ids[:500]).nats
    team.close()
    found: list[float] = nats[1:].tolist()
    return found


def computed(script: str, cache: Path) -> Any:
    """What a process finds that takes the processor for one without AVX-512."""
    name, flags = MACHINES["avx2"]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ
        | {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": flags, "NUMBA_CACHE_DIR": str(cache)}
        | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_this_machine_computes_the_bits_that_all_do(tmp_path: Path):
    done = run("selftest", "--json", cwd=tmp_path)
    found = json.loads(done.out)
    assert done.code == 0 and found["same"], found
    assert {*found["digests"]} == {*selftest.cases()} and {"rnn", "rnn_relu", "gru", "lstm"} <= {
        *selftest.cases()
    }
    assert all({*digests} == THINGS for digests in found["digests"].values())
    assert len({digest for digests in found["digests"].values() for digest in digests.values()}) >= 20


def test_the_number_of_threads_changes_no_bit():
    for threads in (1, 2, 3):
        assert all(digest.same for digest in selftest.run("lstm", threads))


@pytest.mark.skipif(not X86 or "+fma" not in features(), reason="needs an x86 processor with FMA")
def test_narrower_vectors_give_the_same_bits(tmp_path: Path):
    """One case, with attention; `charrnn selftest` under such settings has all."""
    found = computed(SCRIPT, tmp_path)
    assert found == {"bytes": 32, "digests": selftest.shipped()["rnn"]}


@pytest.mark.skipif(not X86 or "+fma" not in features(), reason="needs an x86 processor with FMA")
def test_a_sum_that_is_left_to_the_compiler_gives_other_bits(tmp_path: Path):
    """The control, so that the tests above can fail."""
    found = computed(CONTROL, tmp_path)
    assert found != scores() and np.allclose(found, scores(), rtol=1e-4)


def test_a_difference_is_told_and_ends_with_code_4(monkeypatch, capsys):
    import typer

    from charrnn.cli.selftest import selftest as command

    right = selftest.shipped()["rnn"]
    wrong = {"rnn": right | {"scores": "0" * 64}}
    monkeypatch.setattr(selftest, "cases", lambda: ["rnn"])
    monkeypatch.setattr(selftest, "shipped", lambda: wrong)
    with pytest.raises(typer.Exit) as ended:
        command(threads=1, as_json=False, quiet=True)
    shown = capsys.readouterr().out
    assert ended.value.exit_code == 4
    assert [line.split()[-1] for line in shown.splitlines()[1:6]] == ["same", "same", "same", "OTHER", "same"]
    assert "1 of 5 differ" in shown
