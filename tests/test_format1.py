"""Files of format 1 load for ever, and mean what they meant.

The files were written by version 0.1.0: gru, an embedding, two epochs of a few sentences.
"""

from __future__ import annotations

from pathlib import Path

import naive
import numpy as np
import pytest
import support

from charrnn.checkpoint.reading import load
from charrnn.checkpoint.run_progress import Progress
from charrnn.parallel.threads import Team

TEXT = "The fox said to the crow: how well you sing.\n"
NATS = {"format1.npz": 3.0952, "format1.last.npz": 3.0952}  # of a character of TEXT, by the equations


def equations(path: Path) -> np.ndarray:
    """The nats of each character of TEXT but the first, from the arrays as NumPy reads them."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    (b_ir, b_iz, b_in), (b_hr, b_hz, b_hn) = (
        arrays[f"rnn.bias_{kind}_l0"].reshape(3, -1) for kind in ("ih", "hh")
    )
    arrays["rnn.bias_l0"] = np.concatenate([b_ir + b_hr, b_iz + b_hz, b_in, b_hn])
    ids = np.array([list(arrays["vocab"]).index(ord(character)) for character in TEXT])
    hidden = arrays["rnn.weight_hh_l0"].shape[1]
    logits, _ = naive.forward("gru", arrays, ids[None, :-1], np.zeros((1, 1, 1, hidden)))
    return naive.nats(logits, ids[None, 1:])[0]


@pytest.mark.parametrize("name", NATS)
def test_its_score_stays_the_same(name):
    path = Path(__file__).parent / name
    loaded = load(path)
    nats = support.nats(loaded.network, loaded.vocabulary.encode(TEXT), Team(1))
    np.testing.assert_allclose(nats, equations(path), atol=1e-5)
    assert nats.mean() == pytest.approx(NATS[name], abs=1e-4)


def test_what_it_says_of_itself_stays_readable():
    best, last = (load(Path(__file__).parent / name) for name in NATS)
    assert best.meta["format"] == last.meta["format"] == 1
    assert best.meta["metrics"]["loss"] == pytest.approx(3.0593, abs=1e-4)
    assert Progress(**last.meta["progress"]).step == 72
    assert last.extra.keys() == {"optim.0", "optim.1", "state.carried"}
    assert last.extra["state.carried"].shape == (4, 7)
