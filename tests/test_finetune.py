"""A model that goes on with another text keeps what it knows, character by character."""

from __future__ import annotations

import numpy as np
import pytest
import support

from charrnn.checkpoint import Checkpoint
from charrnn.corpus import from_text
from charrnn.errors import TextError
from charrnn.finetune import adapt
from charrnn.text import Vocabulary

OLD, NEW = "bdfhj", "abcdefghi"  # the new characters come before, between and after; j is gone


def model(**config: int) -> Checkpoint:
    return Checkpoint(support.network("gru", len(OLD), dtype="float64", **config), Vocabulary.of(OLD), {})


@pytest.mark.parametrize("attention", [0, 4])
@pytest.mark.parametrize("embed_size", [0, 3])
def test_old_characters_keep_their_scores(embed_size, attention):
    old = model(num_layers=2, embed_size=embed_size, attention=attention)
    network, corpus = adapt(old, from_text(NEW), extend=True, seed=1)
    network.pack()
    assert corpus.vocabulary.text == "abcdefghij"
    assert corpus.vocabulary.decode(corpus.ids) == NEW
    inputs, _ = support.chunk(len(OLD), 3, 9)
    kept = corpus.vocabulary.encode(OLD)
    got = support.logits(network.shard(3, 9), kept[inputs])
    expected = support.logits(old.network.shard(3, 9), inputs)
    np.testing.assert_allclose(got[:, :, kept], expected, rtol=0, atol=1e-13)
    context = network.weights.context
    assert context.any(axis=2).all()  # new characters too start as in an untrained model


def test_without_new_characters_the_network_is_the_same():
    old = model(attention=4)
    assert adapt(old, from_text(OLD * 2), extend=False, seed=1)[0] is old.network


def test_new_characters_are_refused_by_name():
    with pytest.raises(TextError, match="5 characters that the model lacks: 'a', 'c'"):
        adapt(model(), from_text("aaccegi"), extend=False, seed=1)
