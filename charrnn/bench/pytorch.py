"""The benchmark in PyTorch: nn.RNN, nn.GRU or nn.LSTM on one-hot input, nn.Linear, Adam, clipping."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..config import BenchSetup
from ..errors import UsageError

KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "rnn": ("RNN", {}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu"}),
    "gru": ("GRU", {}),
    "lstm": ("LSTM", {}),
}


def _kind(nn: Any, cell: str, suffix: str = "") -> Callable[..., Any]:
    """Return PyTorch's class of layers, or of cells with a suffix.  Errors: UsageError if it has none."""
    if cell not in KINDS:
        raise UsageError(f"PyTorch has no {cell}", f"choose one of: {', '.join(KINDS)}")
    name, options = KINDS[cell]
    return partial(getattr(nn, name + suffix), **options)


def _model(cell: str, setup: BenchSetup, vocab: int, threads: int) -> tuple[Any, Any, Any]:
    import torch

    torch.set_num_threads(threads)
    kind = _kind(torch.nn, cell)
    return torch, kind(vocab, setup.hidden_size, setup.num_layers), torch.nn.Linear(setup.hidden_size, vocab)


def training(
    cell: str, setup: BenchSetup, vocab: int, threads: int, autocast: bool = False
) -> Callable[[], float]:
    """Return a function that does one training step and returns the number of characters it read.

    autocast: use `torch.autocast` to bfloat16.
    """
    torch, layers, out = _model(cell, setup, vocab, threads)
    parameters = [*layers.parameters(), *out.parameters()]
    adam = torch.optim.Adam(parameters, lr=1e-3)
    text = torch.randint(0, vocab, (setup.seq_len + 1, setup.batch_size))
    state = None

    def run() -> float:
        nonlocal state
        inputs = torch.nn.functional.one_hot(text[:-1], vocab).float()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            hidden, state = layers(inputs, state)
            loss = torch.nn.functional.cross_entropy(out(hidden).flatten(0, 1), text[1:].flatten())
        state = tuple(s.detach() for s in state) if cell == "lstm" else state.detach()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        return float(setup.batch_size * setup.seq_len)

    return run


def sampling(
    cell: str, setup: BenchSetup, vocab: int, threads: int, autocast: bool = False
) -> Callable[[], float]:
    """Return a function that samples one by one, the faster of nn.LSTM and a loop over nn.LSTMCell."""
    ways = [way(cell, setup, vocab, threads, autocast) for way in (_by_layers, _by_cells)]
    seconds = []
    for way in ways:
        way()
        begun = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - begun)
    return ways[seconds.index(min(seconds))]


def _drawing(
    torch: Any, vocab: int, logits_of: Callable[[Any], Any], autocast: bool, length: int = 64
) -> Callable[[], float]:
    one_hot = torch.eye(vocab)

    def run() -> float:
        character = 0
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            for _ in range(length):
                logits = logits_of(one_hot[character].unsqueeze(0))
                character = int(torch.multinomial(torch.softmax(logits[0].float(), 0), 1))
        return float(length)

    return run


def _by_layers(cell: str, setup: BenchSetup, vocab: int, threads: int, autocast: bool) -> Callable[[], float]:
    torch, layers, out = _model(cell, setup, vocab, threads)
    state = None

    def logits_of(x: Any) -> Any:
        nonlocal state
        hidden, state = layers(x.unsqueeze(0), state)
        return out(hidden[0])

    return _drawing(torch, vocab, logits_of, autocast)


def _by_cells(cell: str, setup: BenchSetup, vocab: int, threads: int, autocast: bool) -> Callable[[], float]:
    torch, _, out = _model(cell, setup, vocab, threads)
    kind = _kind(torch.nn, cell, "Cell")
    sizes = [vocab] + [setup.hidden_size] * setup.num_layers
    cells = [kind(sizes[i], sizes[i + 1]) for i in range(setup.num_layers)]
    states: list[Any] = [None] * setup.num_layers

    def logits_of(x: Any) -> Any:
        for i, layer in enumerate(cells):
            states[i] = layer(x, states[i])
            x = states[i][0] if cell == "lstm" else states[i]
        return out(x)

    return _drawing(torch, vocab, logits_of, autocast)
