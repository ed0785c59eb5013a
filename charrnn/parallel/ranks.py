"""The processes of one run, which mpiexec or srun started: the only file that knows MPI.

They are called ranks and numbered from 0.  Rank 0 alone reads and writes files; the others have from it
what they need.  All call the same methods in the same order: most wait for all the others.
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

# what launchers tell each process of their number: Open MPI; MPICH and Intel MPI; Slurm's srun
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
SWITCH = "CHARRNN_MPI"  # off: a process is alone, whatever a launcher says
APART = f"for runs that know nothing of each other, set {SWITCH}=off"
HEAD_START = 1.0  # seconds for rank 0 to say what went wrong, if it went wrong on all


class SingleProcess:
    """A process alone: there is nobody to wait for."""

    rank, size = 0, 1
    ranks_on_cores = 1  # ranks on this host that may use the same cores

    def bounds(self, count: int) -> list[int]:
        """Where the parts of `count` things begin, one part a rank, and `count`; the first is never empty."""
        return [-(-count * rank // self.size) for rank in range(self.size + 1)]

    def part(self, count: int, rank: int | None = None) -> range:
        """Which of `count` things are a rank's, by default this one's."""
        bounds, rank = self.bounds(count), self.rank if rank is None else rank
        return range(bounds[rank], bounds[rank + 1])

    def scatter(self, make: Callable[[int], T] | None) -> T:
        """What rank 0 makes for this rank; the others have nothing to give."""
        assert make
        return make(0)

    def broadcast(self, what: T) -> T:
        """What rank 0 has."""
        return what

    def allgather(self, what: T) -> list[T]:
        """What each rank has, on all of them."""
        return [what]

    def broadcast_array(self, numbers: Any) -> None:
        """Copy rank 0's array over everyone's."""

    def allgather_array(self, numbers: Any, bounds: list[int]) -> None:
        """Complete an array of which each rank knows [bounds[rank] : bounds[rank + 1]]."""

    def allreduce_max(self, number: int) -> int:
        """Of the numbers of all ranks."""
        return number

    def isend(self, numbers: Any, rank: int, tag: int) -> None:
        """Begin to; the numbers must not change before `waitall`."""

    def irecv(self, numbers: Any, rank: int, tag: int) -> None:
        """Begin to; they are not to be touched before `waitall`."""

    def waitall(self) -> None:
        """Until all that was begun is done."""

    def with_rank(self, line: str) -> str:
        """What went wrong here, and on which rank; what went wrong on all is rank 0's to say."""
        return line

    def finish(self) -> None:
        """All ranks have agreed that they are done."""

    def abort(self, code: int) -> None:
        """End all ranks at once, unless they are done: others may wait for this one for ever."""


class MpiProcesses(SingleProcess):
    """One of several processes."""

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
        for rank in range(1, self.size):  # one by one: rank 0 has memory for one more part, not for all
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


Ranks = SingleProcess  # what functions take: MpiProcesses is one
ALONE = SingleProcess()
_ranks: list[Ranks] = [ALONE]  # those of this process, once started


def launched() -> tuple[int, str]:
    """How many processes a launcher started, and in which of SIZES it said so; 1 if none did.

    Errors: UsageError for a number that is none.
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
            f"{name} is {os.environ[name]!r}, where launchers of MPI put a number of processes",
            f"unset it, or set {SWITCH}=off",
        ) from None


def _turned_off() -> bool:
    value = os.environ.get(SWITCH, "").lower()
    if value not in ("", "on", "off"):
        raise UsageError(f"{SWITCH} is {value!r}", "set it to on or off, or unset it")
    return value == "off"


@cache
def start() -> Ranks:
    """The ranks of this process; MPI is loaded only if a launcher started more than one.

    Errors: UsageError where they cannot find each other, and would each be a run of its own.
    """
    size, name = launched()
    if size <= 1:
        return ALONE
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"  # other threads compute, and never call MPI
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of another MPI's launcher, which is told below
            from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no library of MPI
        raise UsageError(
            f"one of {size} processes, says {name}, which need MPI to work together: {error}",
            f"pip install mpi4py mpich; {APART}",
        ) from None
    if MPI.COMM_WORLD.size != size:
        raise UsageError(
            f"one of {size} processes, says {name}, but MPI knows {MPI.COMM_WORLD.size}: "
            "the launcher is not its own",
            f"start them with the mpiexec of the MPI that mpi4py was built for: see docs/mpi.md; {APART}",
        )
    _ranks[0] = MpiProcesses(MPI)
    return _ranks[0]


def refuse_differences(ranks: Ranks, started: dict[str, str]) -> None:
    """started: by name, what must be the same for all: of all but rank 0's nothing would be heard.

    Errors: UsageError, the same on all ranks.
    """
    everyone = ranks.allgather(started)
    for rank, theirs in enumerate(everyone):
        for name, value in theirs.items():
            first = everyone[0][name]
            if value != first:
                raise UsageError(
                    f"the {name} of rank {rank} of {ranks.size} is {value}, that of rank 0 is {first}",
                    f"one run on several processes has one {name}; {APART}",
                )


def current() -> Ranks:
    """The ranks that were started, if any were."""
    return _ranks[0]
