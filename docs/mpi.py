"""Print the table in docs/mpi.md: the time of a training step on several hosts, from a cost model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

SHARD, SEQ_LEN = 16, 64  # sequences per shard, characters per chunk


@dataclass(frozen=True)
class Model:
    """An LSTM with one layer and 65 characters, and its times as measured on an AMD EPYC (docs/mpi.md)."""

    hidden: int
    parameters: int
    products: int  # weights that matrix products read
    pack_s: float  # packing the weights, on one thread per host
    adam_s: float  # updating one parameter, on one thread
    add_s: float  # adding two gradient elements, on one thread


MODELS = (
    Model(512, 1_217_089, 1_081_856, 0.94e-3, 2.7e-9, 0.11e-9),
    Model(2048, 17_451_073, 16_910_336, 37e-3, 3.1e-9, 0.19e-9),
)
FLOPS = 90e9  # per second and core; measured: 94e9 for H 512, 87e9 for H 2048
LATENCY = 30e-6  # seconds per message over Ethernet and TCP
SHARE = 0.9  # fraction of the network bandwidth available for data
CORES = 16  # per host


def step_s(model: Model, batch: int, hosts: int, cores: int, gbit: float) -> float:
    """Return the seconds of one step; batch is in sequences, at least one shard per host."""
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
    """Yield the table's lines: a header, then one for each model, bandwidth and number of hosts."""
    batch = CORES * SHARD * 4
    yield (
        f"| H | Gbit/s | hosts | batch {batch} | efficiency | one shard per core | efficiency "
        "| four per core: efficiency |"
    )
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
