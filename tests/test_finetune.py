"""A model that goes on with another text keeps what it knows, character by character."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import support

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.errors import TextError
from charrnn.model.pytorch import by_character
from charrnn.model.shard import Shard
from charrnn.text.corpus import from_text
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.finetune import adapt

OLD, NEW = "bdfhj", "abcdefghi"  # the new characters come before, between and after; j is gone


def model(**config: int) -> Checkpoint:
    return Checkpoint(support.network("gru", len(OLD), dtype="float64", **config), Vocabulary.of(OLD), {})


@pytest.mark.parametrize("attention", [0, 4])
@pytest.mark.parametrize("embed_size", [0, 3])
def test_old_characters_keep_their_scores(embed_size, attention):
    old = model(num_layers=2, embed_size=embed_size, attention=attention)
    network, corpus = adapt(old, old.network.config, from_text(NEW), extend=True, seed=1)
    network.pack()
    assert corpus.vocabulary.text == "abcdefghij"
    assert corpus.vocabulary.decode(corpus.ids) == NEW
    inputs, _ = support.chunk(len(OLD), 3, 9)
    kept = corpus.vocabulary.encode(OLD)
    got = support.logits(Shard(network, 3, 9), kept[inputs])
    expected = support.logits(Shard(old.network, 3, 9), inputs)
    np.testing.assert_allclose(got[:, :, kept], expected, rtol=0, atol=1e-13)
    added = np.setdiff1d(np.arange(10), kept)
    rows, untrained = (
        by_character(network.layout, flat) for flat in (network.flat, network.layout.initial(1))
    )
    assert len(rows) == 3 + bool(attention)
    for name, values in rows.items():
        np.testing.assert_array_equal(values[added], untrained[name][added], err_msg=name)
        assert values[added].any(axis=tuple(range(1, values.ndim))).all(), name


def test_without_new_characters_the_network_is_the_same():
    old = model(attention=4)
    network, _ = adapt(
        old, replace(old.network.config, dropout=0.5), from_text(OLD * 2), extend=False, seed=1
    )
    assert network.flat is old.network.flat
    assert network.config.dropout == 0.5


def test_new_characters_are_refused_by_name():
    with pytest.raises(TextError, match="5 characters that the model lacks: 'a', 'c'"):
        adapt(model(), model().network.config, from_text("aaccegi"), extend=False, seed=1)
