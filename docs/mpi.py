"""Writes the table of docs/mpi.md: what a step over several hosts takes by a model of its cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

SHARD, SEQ_LEN = 16, 64  # sequences of a shard, characters of a chunk


@dataclass(frozen=True)
class Model:
    """An LSTM of one layer and 65 characters, and what this machine needs for it."""

    hidden: int
    parameters: int
    products: int  # weights of the matrix products
    pack_s: float  # packing the weights, which one thread of each host does
    adam_s: float  # the update of a parameter, one thread
    add_s: float  # adding a gradient's element to another, one thread


MODELS = (
    Model(512, 1_217_089, 1_081_856, 0.94e-3, 2.7e-9, 0.11e-9),
    Model(2048, 17_451_073, 16_910_336, 37e-3, 3.1e-9, 0.19e-9),
)
FLOPS = 90e9  # of a core: 94 measured for H 512, 87 for H 2048
LATENCY = 30e-6  # seconds of a message over Ethernet and TCP
SHARE = 0.9  # of the line's rate that is left for numbers
CORES = 16  # of a host


def step_s(model: Model, batch: int, hosts: int, cores: int, gbit: float) -> float:
    """Seconds of a step; batch: sequences, at least a shard for each host."""
    shards = batch / SHARD
    of_host = math.ceil(shards / hosts)
    shard_s = 6 * model.products * SHARD * SEQ_LEN / FLOPS
    compute = math.ceil(of_host / cores) * shard_s + model.pack_s
    adds = (of_host - 1) * model.parameters + (hosts - 1) * model.parameters / hosts
    owner = adds * model.add_s / cores + model.parameters / hosts * model.adam_s / cores
    wire = 2 * (hosts - 1) / hosts * 4 * model.parameters / (SHARE * gbit * 1e9 / 8)
    messages = 2 * (hosts - 1) + 4 * math.ceil(math.log2(hosts))
    return compute + owner + wire + (messages * LATENCY if hosts > 1 else 0.0)


def rows() -> Iterator[str]:
    """A line for each model, line and number of hosts."""
    batch = CORES * SHARD * 4
    yield f"| H | Gbit/s | hosts | batch {batch} | efficiency | a shard a core | efficiency | four shards |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for model in MODELS:
        for gbit in (10.0, 100.0):
            for hosts in (4, 16, 64):
                cells = [f"{model.hidden}", f"{gbit:g}", f"{hosts}"]
                for batch in (CORES * SHARD * 4, CORES * SHARD * hosts, CORES * SHARD * hosts * 4):
                    seconds = step_s(model, batch, hosts, CORES, gbit)
                    alone = step_s(model, batch, 1, CORES, gbit)
                    cells += [f"{1e3 * seconds:,.0f} ms", f"{alone / seconds / hosts:.0%}"]
                yield "| " + " | ".join([*cells[:7], cells[8]]) + " |"


if __name__ == "__main__":
    print("\n".join(rows()))
