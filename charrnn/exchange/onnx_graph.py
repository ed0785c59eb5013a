"""Export to ONNX: a graph that reads a chunk of any length and passes its state on to the next.

    ids (T, B), h (L, B, H), c (L, B, H) for an LSTM  ->  logits (T, B, V), next_h, next_c

With attention also past_keys and past_values (B, W - 1, A) and steps_carried (B, 1), how many of these steps
are valid; all are 0 at the start of a text.  All in float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..array_types import Array
from ..checkpoint.checkpoint import Checkpoint
from ..errors import CharrnnError
from ..model.pytorch import export
from .safetensors_file import NEEDS, facts

OPSET = 17
# of each cell: the ONNX operator, our indices of the gates in ONNX's order, and attributes
CELLS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "rnn": ("RNN", (0,), {"activations": ["Tanh"]}),
    "rnn_relu": ("RNN", (0,), {"activations": ["Relu"]}),
    "lstm": ("LSTM", (0, 3, 1, 2), {}),  # i o f g
    "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),  # z r n
}
FAR = -1e30  # the score of a step outside the window: e^FAR is 0


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a model as ONNX.  Errors: CharrnnError for a cell that ONNX lacks, or without onnx; OSError."""
    try:
        import onnx
    except ImportError:
        raise CharrnnError("writing ONNX files needs the onnx library", NEEDS) from None
    from ..system.atomic import replacing
    from ..version import __version__

    config = checkpoint.network.config
    if config.cell not in CELLS:
        raise CharrnnError(f"ONNX has no {config.cell} cell", f"it has {', '.join(CELLS)}")
    graph = _Graph(onnx, checkpoint)
    made = onnx.helper.make_model(
        graph.made(),
        producer_name="charrnn",
        producer_version=__version__,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    onnx.helper.set_model_props(made, facts(checkpoint))
    onnx.checker.check_model(made)
    with replacing(path, set()) as file:
        file.write(made.SerializeToString())


class _Graph:
    """The nodes, constants, inputs and outputs of a graph under construction."""

    def __init__(self, onnx: Any, checkpoint: Checkpoint):
        network = checkpoint.network
        self.onnx, self.layout = onnx, network.layout
        self.type = np.dtype(np.float32)  # the type of onnxruntime's recurrent operators
        self.number = onnx.TensorProto.FLOAT
        self.arrays = {
            name: array.astype(self.type) for name, array in export(network.layout, network.flat).items()
        }
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def made(self) -> Any:
        config, layout = self.layout.config, self.layout
        ids = self._input("ids", ("T", "B"), self.onnx.TensorProto.INT64)
        states = {"h": "next_h"} | ({"c": "next_c"} if len(layout.cell.states) > 1 else {})
        carried = {name: self._input(name, (config.num_layers, "B", config.hidden_size)) for name in states}
        ends: dict[str, list[str]] = {name: [] for name in states}
        x = self._embedded(ids)
        for layer in range(config.num_layers):
            before = {
                name: self("Slice", value, self._whole([layer]), self._whole([layer + 1]), self._whole([0]))
                for name, value in carried.items()
            }
            x, after = self._layer(layer, x, before)
            for name, value in after.items():
                ends[name].append(value)
        logits = self("MatMul", x, self._constant(self.arrays["out.weight"].T))
        logits = self("Add", logits, self._constant(self.arrays["out.bias"]))
        if config.attention:
            logits = self("Add", logits, self._attended(x))
        self._output("logits", logits, ("T", "B", layout.vocab_size))
        for name, values in ends.items():
            self._output(
                states[name], self("Concat", *values, axis=0), (config.num_layers, "B", config.hidden_size)
            )
        return self.onnx.helper.make_graph(
            self.nodes, "charrnn", self.inputs, self.outputs, [*self.constants.values()]
        )

    def __call__(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the names of its outputs."""
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def _constant(self, array: Array) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def _whole(self, values: Any) -> str:
        return self._constant(np.array(values, np.int64))

    def _float(self, value: float) -> str:
        return self._constant(np.array(value, self.type))

    def _input(self, name: str, shape: tuple[Any, ...], of: Any = None) -> str:
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, of or self.number, shape))
        return name

    def _output(self, name: str, value: str, shape: tuple[Any, ...]) -> None:
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, self.number, shape))

    def _embedded(self, ids: str) -> str:
        if self.layout.config.embed_size:
            return str(self("Gather", self._constant(self.arrays["embed.weight"]), ids))
        values = self._constant(np.array([0, 1], self.type))
        return str(self("OneHot", ids, self._whole([self.layout.vocab_size]), values))

    def _layer(self, layer: int, x: str, before: dict[str, str]) -> tuple[str, dict[str, str]]:
        operator, order, attributes = CELLS[self.layout.config.cell]
        hidden = self.layout.config.hidden_size

        def ordered(name: str) -> Array:
            gates = self.arrays[f"rnn.{name}_l{layer}"].reshape(len(order), hidden, -1)
            placed: Array = gates[list(order)].reshape(1, len(order) * hidden, -1)
            return placed

        biases = np.concatenate([ordered("bias_ih"), ordered("bias_hh")], axis=1)[:, :, 0]
        weights = (self._constant(array) for array in (ordered("weight_ih"), ordered("weight_hh"), biases))
        y, *after = self(
            operator,
            x,
            *weights,
            "",
            *before.values(),
            outputs=1 + len(before),
            hidden_size=hidden,
            **attributes,
        )
        return self("Squeeze", y, self._whole([1])), dict(zip(before, after, strict=True))

    def _attended(self, top: str) -> str:
        """Return what attention adds to the logits: (1)-(4) of kernels/attention.py; top (T, B, H)."""
        config = self.layout.config
        window, size = config.attention, config.attention_size
        past = {name: self._input(name, ("B", window - 1, size)) for name in ("past_keys", "past_values")}
        carried = self._input("steps_carried", ("B", 1))
        rows = self("Transpose", top, perm=[1, 0, 2])  # (B, T, H)
        q, k, v = (
            self("MatMul", rows, self._constant(self.arrays[f"attn.{name}.weight"].T))
            for name in ("query", "key", "value")
        )
        keys = self("Concat", past["past_keys"], k, axis=1)  # (B, M + T, A)
        values = self("Concat", past["past_values"], v, axis=1)
        one_step = self("Slice", self("Shape", top), self._whole([0]), self._whole([1]), self._whole([0]))
        steps = self("Squeeze", one_step)
        all_steps = self("Add", steps, self._whole(window - 1))
        t = self("Add", self("Range", self._whole(0), steps, self._whole(1)), self._whole(window - 1))
        s = self("Range", self._whole(0), all_steps, self._whole(1))
        lag = self("Sub", self("Unsqueeze", t, self._whole([1])), self("Unsqueeze", s, self._whole([0])))
        inside = self(
            "And",
            self("GreaterOrEqual", lag, self._whole(0)),
            self("Less", lag, self._whole(window)),
        )  # (T, M + T)
        first = self("Sub", self._float(window - 1), carried)  # (B, 1): the oldest valid step
        there = self("GreaterOrEqual", self("Cast", s, to=self.number), first)  # (B, M + T)
        seen = self("And", inside, self("Unsqueeze", there, self._whole([1])))  # (B, T, M + T)
        near = self("Clip", lag, self._whole(0), self._whole(window - 1))
        bias = self("Gather", self._constant(self.arrays["attn.lag.bias"]), near)
        e = self("MatMul", q, self("Transpose", keys, perm=[0, 2, 1]))
        e = self("Add", self("Mul", e, self._float(1 / np.sqrt(size))), bias)
        p = self("Softmax", self("Where", seen, e, self._float(FAR)), axis=-1)
        c = self("Transpose", self("MatMul", p, values), perm=[1, 0, 2])  # (T, B, A)
        end = self._whole([np.iinfo(np.int64).max])
        for name, value in (("next_past_keys", keys), ("next_past_values", values)):
            kept = self("Slice", value, one_step, end, self._whole([1]))
            self._output(name, kept, ("B", window - 1, size))
        more = self("Add", carried, self("Cast", steps, to=self.number))
        self._output("next_steps_carried", self("Min", more, self._float(window - 1)), ("B", 1))
        return str(self("MatMul", c, self._constant(self.arrays["attn.out.weight"].T)))
