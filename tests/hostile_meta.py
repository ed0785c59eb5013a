"""Metadata of hostile checkpoints (see hostile.py) and of a valid one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from zips import Change, Zip, array, npy

from charrnn.checkpoint.run_progress import Progress
from charrnn.config import TrainConfig

ESCAPE = "\x1b]0;owned\x07\x9b31m"


def meta_of(zip_: Zip) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zip_["meta"].data[128:])
    return found


def with_meta(text: bytes | str) -> Change:
    raw = text.encode() if isinstance(text, str) else text

    def change(zip_: Zip) -> None:
        zip_["meta"].data = npy(np.frombuffer(raw, np.uint8))

    return change


def meta(**values: Any) -> Change:
    """Replace values of the metadata: TABLE__NAME for a value in a table, None to remove it."""

    def change(zip_: Zip) -> None:
        whole = meta_of(zip_)
        for name, value in values.items():
            *tables, last = name.split("__")
            table = whole
            for key in tables:
                table = table[key]
            if value is None:
                del table[last]
            else:
                table[last] = value
        with_meta(json.dumps(whole))(zip_)

    return change


def raw_meta(old: str, new: str) -> Change:
    """Replace the JSON text itself, with text that json.dumps would not write."""

    def change(zip_: Zip) -> None:
        text = json.dumps(meta_of(zip_))
        assert old in text
        with_meta(text.replace(old, new, 1))(zip_)

    return change


def nested(count: int) -> str:
    return '{"format": 1, "model": ' + "[" * count + "]" * count + "}"


WRONG_VALUES = {
    **{
        f"model {name} {value!r:.20}": meta(**{f"model__{name}": value})
        for name, values in {
            "hidden_size": [0, -3, 10**9, 10**17, 10**18, 10**400, True, 3.0, "3", [3], {"3": 3}],
            "num_layers": [0, -1, 10**6, 2, 10**17, True, 1.0],
            "embed_size": [-1, 10**12, 3, False, "0"],
            "dropout": [-0.1, 1, 1.5, float("nan"), float("inf"), "0", True, [0.5]],
            "cell": ["nonesuch", "../cells/gru", ESCAPE, "x" * 100_000, 3, ["gru"]],
            "attention": [-1, 3, 4096, 4097, 10**9, 10**17, True, 2.0, "3", [3]],
            "dtype": ["float16", "object", ">f4", 8],
            "novel": [1],
        }.items()
        for value in values
    },
    **{
        f"meta {name} {value!r:.20}": meta(**{name: value})
        for name, values in {
            "format": [0, -1, 2, 10**400, True, 1.0, "1"],
            "version": [1, [], {}],
            "level": ["byte", "line", "", ESCAPE, 1, ["char"], {}],
            "seed": [10**18, 1.5, "0", [0]],
            "command": [1, ["rm", "-rf"], {"x": "y"}],
            "numpy": [2.0],
            "commands": ["x", {}, [1], [["rm"]], ["x", None]],
            "fitted": [1, ["x"]],
            "test": [[], 1.5, {"loss": "low"}],
            "novel": [[1], {"a": {"b": 1}}, {"a": [1]}],
            "model": [[], "gru", 3, {}],
            "training": [[], 3, "", {"lr": [1]}, {"novel": {}}],
            "corpus": [[], "x", {"vocab": "4"}, {"train": {}}, {"sha256": 3}],
            "metrics": [[], 1.5, {"loss": "low"}, {"loss": [1]}, {"step": 1.5}],
            "history": [
                {},
                3,
                [3],
                [[1]],
                [["1", 2.0]],
                [[1.5, 2.0]],
                [[1, 2, 3]],
                [[1, -1e308]],
                [[1, [2]]],
                [[True, 1.0]],
            ],
            "progress": [[], 3, "", {"step": "7"}],
            ESCAPE: ["x"],
        }.items()
        for value in values
    },
    **{
        f"training {name} {value!r:.20}": meta(**{f"training__{name}": value})
        for name, values in {
            "lr": [-1.0, float("nan"), float("inf"), "fast"],
            "epochs": [0.0, float("inf")],
            "batch_size": [0, 1.5, True],
            "seq_len": [-5, "64"],
            "optimizer": ["lion", 3],
            "encoding": ["a\0b", "\ud800"],
            "val_fraction": [1.0, -0.5],
            "seed": [-1],
            "lr_schedule": ["x" * 100_000],
            "schedule_over": ["time", "space", 3],  # without a time that it could span
            "max_time": [-1.0, 1e308],
        }.items()
        for value in values
    },
    **{
        f"progress {name} {value!r:.20}": meta(**{f"progress__{name}": value})
        for name, values in {
            "step": [-1, 1.5, True, 10**18],
            "lr_scale": [-1.0, 2.0, float("nan"), "1"],
            "pending": [1, "yes"],
            "best": [[], {"loss": 1.0}, {"step": 5}, {"step": 5, "loss": "low"}, {"step": 5, "loss": {}}],
            "history": [{}, [1], [[float("inf"), 1.0]]],
            "seconds": [-1.0, float("nan"), float("inf"), 1e303, "1"],
            "schedule_step": [-1, 1.5, 10**17],
            "schedule_s": [-1.0, float("nan"), 1e303],
            "novel": [1],
        }.items()
        for value in values
    },
    **{
        f"meta without {name.replace('__', ' ')}": meta(**{name: None})
        for name in ("format", "model", "training", "corpus", "command")
    },
}

FILES: dict[str, Change] = {
    "meta in 32 bits": array("meta", np.zeros(9, np.uint32)),
    "meta that is empty": with_meta(""),
    "meta that is no JSON": with_meta("{"),
    "meta that is no table": with_meta("[]"),
    "meta that is NaN": with_meta("NaN"),
    "meta in UTF-16": with_meta('{"format": 1}'.encode("utf-16")),
    "meta that is no UTF-8": with_meta(b'{"format": 1, "command": "\xff"}'),
    "NUL in the meta": raw_meta('"seed": 3', '"seed": 3\0'),
    "meta 900 deep": with_meta(nested(900)),
    "meta 100,000 deep": with_meta(nested(100_000)),
    "meta 60,000 tables deep": with_meta('{"format":' * 40_000),
    "meta of 2 MB": with_meta('{"format": 1, "command": "' + "x" * 2_000_000 + '"}'),
    "meta of 170,000 lists": with_meta('{"format": 1, "model": {}, "history": [' + "[]," * 170_000 + "[]]}"),
    "meta of 170,000 tables": with_meta('{"format": 1, "model": [' + "{}," * 170_000 + "{}]}"),
    "meta of 60,000 names": with_meta("{" + ",".join(f'"a{i}":1' for i in range(50_000)) + "}"),
    "a number of 5,000 digits": raw_meta('"seed": 3', '"seed": ' + "9" * 5000),
    "a number of 500,000 digits": raw_meta('"seed": 3', '"seed": ' + "9" * 500_000),
    "format twice": raw_meta('"format": 1', '"format": 1, "format": 1'),
    "hidden_size twice": raw_meta('"hidden_size": 3', '"hidden_size": 9, "hidden_size": 3'),
    "hidden_size NaN": raw_meta('"hidden_size": 3', '"hidden_size": NaN'),
    "hidden_size 1e999": raw_meta('"hidden_size": 3', '"hidden_size": 1e999'),
    "hidden_size null": raw_meta('"hidden_size": 3', '"hidden_size": null'),
    **WRONG_VALUES,
}


def run_meta() -> dict[str, Any]:
    """A run's metadata in NAME.last.npz; NAME.npz has its history."""
    best = {"step": 6, "epoch": 1.5, "loss": 1.25, "bpc": 1.8, "perplexity": 3.5}
    progress = Progress(7, 70, 7, best, history=[[3, 1.5], [6, 1.25]])
    corpus = {"chars": 90, "train": 80, "val": 10, "test": 0, "vocab": 4, "sha256": "a", "val_sha256": "b"}
    return {
        "training": vars(TrainConfig()),
        "corpus": corpus,
        "metrics": best,
        "history": progress.history,
        "progress": vars(progress),
        "command": "charrnn train corpus.txt",
        "numpy": np.__version__,
        "seed": 3,
    }
