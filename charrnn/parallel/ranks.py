"""The processes of one run, started by mpiexec or srun. Only this file uses MPI.

Processes are called ranks and numbered from 0.  Only rank 0 reads and writes files; the others receive what
they need from it.  All ranks must call the same methods in the same order: most methods wait for all ranks.
"""

from __future__ import annotations

import os
import time
import warnings
from array import array
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

from ..errors import UsageError

T = TypeVar("T")

# the number of processes, as set by launchers: Open MPI; MPICH and Intel MPI; Slurm's srun
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
SWITCH = "CHARRNN_MPI"  # off: each process is a run of its own, even under a launcher
APART = f"for separate runs, set {SWITCH}=off"
HEAD_START = 1.0  # seconds for rank 0 to report an error that all ranks have


class SingleProcess:
    """A single process, which waits for nobody."""

    rank, size = 0, 1
    ranks_on_cores = 1  # ranks on this host that may use the same cores

    def bounds(self, count: int) -> list[int]:
        """Return where each rank's part of `count` items starts, then `count`; the first has items."""
        return [-(-count * rank // self.size) for rank in range(self.size + 1)]

    def part(self, count: int, rank: int | None = None) -> range:
        """Return which of `count` items belong to a rank, by default this one."""
        bounds, rank = self.bounds(count), self.rank if rank is None else rank
        return range(bounds[rank], bounds[rank + 1])

    def scatter(self, make: Callable[[int], T] | None) -> T:
        """Return what rank 0 makes for this rank; make: None on other ranks."""
        assert make
        return make(0)

    def broadcast(self, what: T) -> T:
        """Return rank 0's object on all ranks."""
        return what

    def allgather(self, what: T) -> list[T]:
        """Return the objects of all ranks, on all ranks."""
        return [what]

    def broadcast_array(self, numbers: Any) -> None:
        """Copy rank 0's array into the array of every rank."""

    def allgather_array(self, numbers: Any, bounds: list[int]) -> None:
        """Complete an array of which each rank has [bounds[rank] : bounds[rank + 1]]."""

    def allreduce_max(self, number: int) -> int:
        """Return the largest of all ranks' numbers."""
        return number

    def isend(self, numbers: Any, rank: int, tag: int) -> None:
        """Start sending; the numbers must not change before `waitall`."""

    def irecv(self, numbers: Any, rank: int, tag: int) -> None:
        """Start receiving; do not use the numbers before `waitall`."""

    def waitall(self) -> None:
        """Wait until all sends and receives are complete."""

    def with_rank(self, line: str) -> str:
        """Return an error with its rank; rank 0 has a head start, to report what fails on all ranks."""
        return line

    def finish(self) -> None:
        """Record that all ranks have agreed to end."""

    def abort(self, code: int) -> None:
        """End all ranks at once, unless they have finished; others could wait for this rank forever."""


class MpiProcesses(SingleProcess):
    """One of several processes of a run."""

    def __init__(self, mpi: Any):
        self._mpi, self._comm = mpi, mpi.COMM_WORLD
        self.rank, self.size = self._comm.rank, self._comm.size
        self._begun: list[Any] = []
        self._finished = False
        here = self._comm.Split_type(mpi.COMM_TYPE_SHARED)
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
        self.ranks_on_cores = sum(not cores.isdisjoint(theirs) for theirs in here.allgather(cores))

    def scatter(self, make: Callable[[int], T] | None) -> T:
        if not make:
            received: T = self._comm.recv(source=0)
            return received
        for rank in range(1, self.size):  # one by one, because rank 0 may lack memory for all parts
            self._comm.send(make(rank), rank)
        return make(0)

    def broadcast(self, what: T) -> T:
        received: T = self._comm.bcast(what)
        return received

    def allgather(self, what: T) -> list[T]:
        gathered: list[T] = self._comm.allgather(what)
        return gathered

    def broadcast_array(self, numbers: Any) -> None:
        self._comm.Bcast(numbers)

    def allgather_array(self, numbers: Any, bounds: list[int]) -> None:
        width = numbers[:1].size
        counts = [(stop - start) * width for start, stop in pairwise(bounds)]
        starts = [start * width for start in bounds[:-1]]
        self._comm.Allgatherv(self._mpi.IN_PLACE, [numbers, counts, starts, None])

    def allreduce_max(self, number: int) -> int:
        box = array("q", [number])
        self._comm.Allreduce(self._mpi.IN_PLACE, box, self._mpi.MAX)
        return box[0]

    def isend(self, numbers: Any, rank: int, tag: int) -> None:
        self._begun.append(self._comm.Isend(numbers, rank, tag))

    def irecv(self, numbers: Any, rank: int, tag: int) -> None:
        self._begun.append(self._comm.Irecv(numbers, rank, tag))

    def waitall(self) -> None:
        self._mpi.Request.Waitall(self._begun)
        self._begun.clear()

    def with_rank(self, line: str) -> str:
        time.sleep(HEAD_START if self.rank else 0.0)
        return f"rank {self.rank} of {self.size}: {line}" if self.rank else line

    def finish(self) -> None:
        self._finished = True

    def abort(self, code: int) -> None:
        if not self._finished:
            self._comm.Abort(code)


Ranks = SingleProcess  # the type for annotations; MpiProcesses is a subclass
ALONE = SingleProcess()
_ranks: list[Ranks] = [ALONE]  # the ranks of this process, once started


def launched() -> tuple[int, str]:
    """Return how many processes a launcher started and which of SIZES it set; (1, "") without a launcher.

    Errors: UsageError for a value that is not a number of processes.
    """
    name = next((name for name in SIZES if os.environ.get(name)), "")
    if _turned_off() or not name:
        return 1, ""
    try:
        size = int(os.environ[name])
        if size < 1:
            raise ValueError(size)
        return size, name
    except ValueError:
        raise UsageError(
            f"{name} is {os.environ[name]!r}, not a number of MPI processes",
            f"unset it, or set {SWITCH}=off",
        ) from None


def _turned_off() -> bool:
    value = os.environ.get(SWITCH, "").lower()
    if value not in ("", "on", "off"):
        raise UsageError(f"{SWITCH} is {value!r}", "set it to on or off, or unset it")
    return value == "off"


@cache
def start() -> Ranks:
    """Return the ranks of this process, and load MPI if a launcher started more than one process.

    Errors: UsageError if the processes cannot find each other, so that each would be a run of its own.
    """
    size, name = launched()
    if size <= 1:
        return ALONE
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"  # other threads compute but never call MPI
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # about another MPI's launcher; reported below
            from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no MPI library
        raise UsageError(
            f"{name} counts {size} processes, but they need MPI to work together: {error}",
            f"pip install mpi4py mpich; {APART}",
        ) from None
    if MPI.COMM_WORLD.size != size:
        raise UsageError(
            f"{name} counts {size} processes, but MPI counts {MPI.COMM_WORLD.size}: "
            "the launcher belongs to another MPI",
            f"use the mpiexec of the MPI that mpi4py was built for: see docs/mpi.md; {APART}",
        )
    _ranks[0] = MpiProcesses(MPI)
    return _ranks[0]


def refuse_differences(ranks: Ranks, started: dict[str, str]) -> None:
    """Raise a UsageError, the same on all ranks, if ranks were started differently.

    started: by name, what must be equal on all ranks, because only rank 0 would produce output.
    """
    everyone = ranks.allgather(started)
    for rank, theirs in enumerate(everyone):
        for name, value in theirs.items():
            first = everyone[0][name]
            if value != first:
                raise UsageError(
                    f"the {name} of rank {rank} of {ranks.size} is {value}, but rank 0 has {first}",
                    f"give all processes of a run the same {name}; {APART}",
                )


def current() -> Ranks:
    """Return the ranks that were started, or a single process."""
    return _ranks[0]
