"""Make texts whose entropy is known exactly, so that a model's loss can be compared with the optimum.

    python corpora/make.py markov --lines 20000 --seed 0 > corpora/markov.txt

The text goes to stdout, its entropy per character to stderr. The only function used of
Python's generator is random(), whose sequence is guaranteed: a command gives the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import math
import sys
from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from random import Random
from typing import Any

import number_words
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYMBOLS = "abcdefgh\n"  # of the Markov source, where a line end is a symbol like any other
BRACKETS = ["()", "[]", "{}", "<>"]


def stationary(chain: Array) -> Array:
    """Return the share of time that an irreducible Markov chain spends in each state."""
    states = len(chain)
    equations = np.vstack([chain.T - np.eye(states), np.ones(states)])
    solution: Array = np.linalg.lstsq(equations, np.eye(states + 1)[states])[0]
    return solution


def nats(chances: Array) -> Array:
    """Return the entropy of each row of probabilities, in nats."""
    entropy: Array = -np.sum(chances * np.log(np.where(chances > 0, chances, 1.0)), axis=-1)
    return entropy


def split_pairs(
    rng: Random, largest: int = 99, share: float = 0.0
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return all pairs of numbers up to `largest`: those kept and those held out, each in both orders."""
    kept: list[tuple[int, int]] = []
    held: list[tuple[int, int]] = []
    for a in range(largest + 1):
        for b in range(a, largest + 1):
            (held if rng.random() < share else kept).extend(sorted({(a, b), (b, a)}))
    return kept, held


def sum_line(a: int, b: int) -> str:
    """Return one line of arithmetic."""
    return f"{a}+{b}={a + b}\n"


def number_line(n: int) -> str:
    """Return one line with a number in two languages."""
    return f"{number_words.english(n)}\t{number_words.french(n)}\n"


def split_numbers(rng: Random, largest: int = 9999, share: float = 0.0) -> tuple[list[int], list[int]]:
    """Return all numbers up to `largest`: those kept and those held out."""
    kept: list[int] = []
    held: list[int] = []
    for n in range(largest + 1):
        (held if rng.random() < share else kept).append(n)
    return kept, held


def uniform(rng: Random, lines: Sequence[str]) -> Iterator[str]:
    """Yield random lines, all equally likely."""
    while True:
        yield lines[int(rng.random() * len(lines))]


def uniform_entropy(lines: Sequence[str]) -> float:
    """Return nats per character: only the choice of the line is random."""
    return math.log(len(lines)) * len(lines) / sum(map(len, lines))


def copies(rng: Random, shortest: int = 5, longest: int = 15, gap: int = 10) -> Iterator[str]:
    """Yield lines of random letters, a gap, and the same letters; all lengths are equally likely."""
    while True:
        length = shortest + int(rng.random() * (longest - shortest + 1))
        word = "".join(LETTERS[int(rng.random() * len(LETTERS))] for _ in range(length))
        yield f"{word}{' ' * gap}{word}\n"


def copies_entropy(shortest: int = 5, longest: int = 15, gap: int = 10) -> float:
    """Return nats per character: the length and the first letters are random, but not their copy."""
    length = (shortest + longest) / 2
    return (math.log(longest - shortest + 1) + length * math.log(len(LETTERS))) / (2 * length + gap + 1)


def markov_weights(rng: Random, order: int = 2) -> list[list[float]]:
    """Return a weight for each symbol after each context of `order` symbols; products make some rare."""
    contexts = len(SYMBOLS) ** order
    return [[rng.random() * rng.random() * rng.random() for _ in SYMBOLS] for _ in range(contexts)]


def markov(rng: Random, weights: Sequence[Sequence[float]]) -> Iterator[str]:
    """Yield lines of a Markov source, which begins as if only line ends came before."""
    cumulative = [list(accumulate(row)) for row in weights]
    context, line = len(weights) - 1, ""
    while True:
        row = cumulative[context]
        symbol = bisect(row, rng.random() * row[-1])
        context = (context * len(SYMBOLS) + symbol) % len(weights)
        line += SYMBOLS[symbol]
        if line.endswith("\n"):
            yield line
            line = ""


def markov_entropy(weights: Sequence[Sequence[float]]) -> float:
    """Return nats per character: the mean over contexts, weighted by how often the source is in each."""
    chances = np.array(weights) / np.sum(weights, axis=1, keepdims=True)
    contexts, symbols = chances.shape
    chain = np.zeros((contexts, contexts))
    for context in range(contexts):
        for symbol in range(symbols):
            chain[context, (context * symbols + symbol) % contexts] += chances[context, symbol]
    return float(stationary(chain) @ nats(chances))


def open_chances(deepest: int = 8, opening: float = 0.5, stop: float = 0.25) -> list[float]:
    """Return the probability of an opening bracket at each depth; at depth 0, the line ends otherwise."""
    return [1 - stop, *[opening] * (deepest - 1), 0.0]


def brackets(rng: Random, chances: Sequence[float]) -> Iterator[str]:
    """Yield lines of balanced brackets; none is empty."""
    while True:
        line, closing = "", ""  # the brackets still to close, the next one last
        while not line or closing or rng.random() < chances[0]:
            if not closing or rng.random() < chances[len(closing)]:
                kind = BRACKETS[int(rng.random() * len(BRACKETS))]
                line, closing = line + kind[0], closing + kind[1]
            else:
                line, closing = line + closing[-1], closing[:-1]
        yield line + "\n"


def brackets_entropy(chances: Sequence[float]) -> float:
    """Return nats per character, from the chain of depths plus a last state, the start of a line."""
    start = len(chances)
    chain, entropy = np.zeros((start + 1, start + 1)), np.zeros(start + 1)
    for state, chance in enumerate([*chances, 1.0]):
        chain[state, 1 if state == start else state + 1] += chance
        chain[state, start if state == 0 else state - 1] += 1 - chance
        entropy[state] = nats(np.array([chance, 1 - chance])) + chance * math.log(len(BRACKETS))
    return float(stationary(chain) @ entropy)


def parser() -> argparse.ArgumentParser:
    """Return the command line parser."""
    result = argparse.ArgumentParser(description="Write a text with known entropy to stdout.")
    kinds = result.add_subparsers(dest="kind", required=True)
    options: dict[str, dict[str, tuple[Any, str]]] = {
        "sums": {
            "--largest": (99, "largest number to add"),
            "--hold-out": ("", "keep pairs out of the text, and write each once to this file"),
            "--share": (0.1, "share of the pairs that --hold-out takes"),
        },
        "numbers": {
            "--largest": (number_words.LARGEST, f"largest number, at most {number_words.LARGEST}"),
            "--hold-out": ("", "keep numbers out of the text, and write each once to this file"),
            "--share": (0.1, "share of the numbers that --hold-out takes"),
        },
        "copy": {
            "--shortest": (5, "fewest letters"),
            "--longest": (15, "most letters"),
            "--gap": (10, "spaces between the letters and their copy"),
        },
        "markov": {
            "--order": (2, "number of characters that the next one depends on"),
            "--source": (0, "seed of the probabilities; --seed is that of the text"),
        },
        "brackets": {
            "--depth": (8, "most brackets open at once"),
            "--opening": (0.5, "probability of an opening bracket inside another"),
            "--stop": (0.25, "probability that a line ends when all brackets are closed"),
        },
    }
    for kind, own in options.items():
        command = kinds.add_parser(kind, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        for name, (default, text) in (
            {"--lines": (1000, "number of lines"), "--seed": (0, "seed of the text")} | own
        ).items():
            command.add_argument(name, type=type(default), default=default, help=text)
    return result


def held_out(file: str, rng: Random, kept: list[str], held: list[str]) -> tuple[Iterator[str], float]:
    """Return random kept lines and their entropy; write the held-out lines to the file, if it has a name."""
    if file:
        Path(file).write_text("".join(held), encoding="utf-8")
    return uniform(rng, kept), uniform_entropy(kept)


def made(args: argparse.Namespace) -> tuple[Iterator[str], float]:
    """Return the requested lines, an endless iterator, and their entropy in nats per character."""
    rng = Random(args.seed)
    if args.kind == "sums":
        pairs = split_pairs(rng, args.largest, args.share if args.hold_out else 0.0)
        return held_out(args.hold_out, rng, *([sum_line(*pair) for pair in part] for part in pairs))
    if args.kind == "numbers":
        numbers = split_numbers(rng, args.largest, args.share if args.hold_out else 0.0)
        return held_out(args.hold_out, rng, *([number_line(n) for n in part] for part in numbers))
    if args.kind == "copy":
        sizes = (args.shortest, args.longest, args.gap)
        return copies(rng, *sizes), copies_entropy(*sizes)
    if args.kind == "markov":
        weights = markov_weights(Random(args.source), args.order)
        return markov(rng, weights), markov_entropy(weights)
    chances = open_chances(args.depth, args.opening, args.stop)
    return brackets(rng, chances), brackets_entropy(chances)


def main() -> None:
    """Write the text to stdout and its entropy to stderr."""
    commands = parser()
    args = commands.parse_args()
    if args.kind == "numbers" and not 0 <= args.largest <= number_words.LARGEST:
        commands.error(f"--largest is {args.largest}; it must be from 0 to {number_words.LARGEST}")
    sys.stdout.reconfigure(encoding="utf-8")  # whatever the locale: French numbers have accents
    lines, entropy = made(args)
    sys.stdout.writelines(islice(lines, args.lines))
    print(f"{entropy:.6f} nats = {entropy / math.log(2):.6f} bits per character", file=sys.stderr)


if __name__ == "__main__":
    main()
