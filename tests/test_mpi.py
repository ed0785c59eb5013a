"""One run over several processes: the bits of one alone, and an end for all when one fails."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import program
import pytest
import support
from program import PATIENCE, command, environment, wait

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import UsageError
from charrnn.kernels import reduction
from charrnn.kernels.processor import HAS_BFLOAT16
from charrnn.parallel import ranks
from charrnn.parallel.data_parallel import DataParallel
from charrnn.parallel.threads import Team
from charrnn.text.corpus import from_text
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.plan import Plan

HERE = Path(sys.executable).parent / "mpiexec"  # of the extra `mpi`; else the system's
MPIEXEC = str(HERE) if HERE.exists() else shutil.which("mpiexec")
MPI = {  # for Open MPI: also as root, as in a container, and with more ranks than cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
SOON = 5.0  # seconds after which a job that failed or was stopped must have ended
needs_mpi = pytest.mark.skipif(
    not (MPIEXEC and importlib.util.find_spec("mpi4py")),
    reason="no mpiexec or no mpi4py: pip install mpi4py mpich",
)
MODEL = Path(__file__).parent.parent / "checkpoints" / "sums.npz"
# 72 streams are five shards, the last a half; the vector of parameters has three blocks
RUN = ["--cell", "rnn", "--hidden-size", "200", "--seq-len", "16", "--batch-size", "72", "--threads", "1"]
STEADY = [*RUN, "--dropout", "0.1", "--lr-schedule", "constant", "--warmup", "0", "--eval-every", "10"]


def mpiexec(number: int, *arguments: object) -> list[str]:
    assert MPIEXEC
    return [MPIEXEC, "-n", str(number), *command(*arguments)]


def run(number: int, *arguments: object, cwd: Path) -> program.Outcome:
    """`charrnn ARGUMENTS` on so many ranks."""
    done = subprocess.run(
        mpiexec(number, *arguments),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(**MPI),
        timeout=PATIENCE,
    )
    return program.Outcome(done.returncode, done.stdout, done.stderr.decode())


@contextmanager
def started(
    number: int, *arguments: object, cwd: Path, stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        mpiexec(number, *arguments),
        cwd=cwd,
        stdin=stdin,
        stderr=subprocess.DEVNULL,
        env=environment(**MPI),
        preexec_fn=program.heed_signals,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()


@pytest.fixture
def folder(tmp_path: Path, fables: str) -> Path:
    (tmp_path / "c.txt").write_text(fables[:30000], encoding="utf-8")
    return tmp_path


def arrays(path: Path) -> dict[str, bytes]:
    with np.load(path) as file:
        return {name: file[name].tobytes() for name in file.files if name != "meta"}


def step_of(path: Path) -> int:
    """Where a run stands by its NAME.last.npz."""
    with np.load(path) as file:
        step: int = json.loads(file["meta"].tobytes())["progress"]["step"]
    return step


def process_of(rank: int, mark: str) -> int:
    """The process of a rank whose command has the word `mark`; 0 if there is none."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        own = {f"{name}={rank}".encode() for name in ("PMI_RANK", "OMPI_COMM_WORLD_RANK")}
        if mark.encode() in words and own & {*variables}:
            return int(folder.name)
    return 0


@needs_mpi
def test_a_run_writes_the_same_files_on_any_number_of_ranks(folder):
    """And is the same for the eye: one rank speaks."""
    more = ["--test-fraction", "0.1", "--keep-last", "2", "--save-every", "7", "--teacher-forcing", "0.9"]
    more += ["--shuffle-lines"]
    train = ["train", "c.txt", *STEADY, *more, "--max-steps", "24", "--sample-every", "20", "--out", "m.npz"]
    names = ["m.npz", "m.last.npz", "m.step000000021.npz", "m.step000000024.npz"]
    files, told = {}, {}
    for number in (1, 2, 3):
        done = run(number, *train, "--log", "-", "--force", cwd=folder)
        assert done.code == 0, done.err
        log = [json.loads(line) for line in done.out.splitlines()]
        assert log[0]["ranks"] == number
        told[number] = [[e.get(k) for k in ("event", "step", "loss", "grad_norm", "kind")] for e in log]
        assert done.err.count("parameters") == done.err.count("sample at step") == 1
        files[number] = {path.name: path.read_bytes() for path in folder.glob("*.npz")}
    assert sorted(files[1]) == sorted(names)
    for number in (2, 3):
        assert told[number] == told[1]
        assert files[number] == files[1]


@needs_mpi
@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor cannot multiply bfloat16 (no AVX512-BF16)")
def test_products_of_bfloat16_have_the_same_bits_too(folder):
    train = ["train", "c.txt", *STEADY, "--dtype", "bfloat16", "--max-steps", "8", "--out", "m.npz", "-q"]
    files = []
    for number in (1, 2, 3):
        done = run(number, *train, "--force", cwd=folder)
        assert done.code == 0, done.err
        files.append(arrays(folder / "m.last.npz"))
    assert files[0] == files[1] == files[2]


@needs_mpi
def test_a_run_that_was_killed_and_stopped_goes_on_with_other_numbers(folder):
    """SIGKILL of a rank; SIGTERM and Ctrl-C of mpiexec: each ends all, and the bits are of a run of one."""
    endless = ["train", "c.txt", *STEADY, "--max-steps", "1000000", "--out", "killed.npz", "-q"]
    last = folder / "killed.last.npz"
    for rank in (0, 1):
        before = step_of(last) if last.exists() else 0
        with started(2, *endless, *["--resume"] * rank, cwd=folder) as job:
            wait(lambda before=before: last.exists() and step_of(last) > before)
            os.kill(process_of(rank, "killed.npz"), signal.SIGKILL)
            assert job.wait(SOON) != 0
    for number, how, codes in ((3, signal.SIGTERM, (143, 1)), (4, signal.SIGINT, (130, 1))):
        before = step_of(last)
        with started(number, *endless, "--resume", cwd=folder) as job:
            wait(lambda before=before: step_of(last) > before)
            job.send_signal(how)
            assert job.wait(SOON) in codes  # Open MPI has 1 for all
        assert json.loads((folder / "killed.jsonl").read_text().splitlines()[-1])["reason"] == "interrupted"
    end = str(step_of(last) + 5)
    for name, number in (("killed.npz", 2), ("whole.npz", 1)):
        train = ["train", "c.txt", *STEADY, "--max-steps", end, "-q", "--out", name]
        assert run(number, *train, *["--resume"] * (name == "killed.npz"), cwd=folder).code == 0
    assert arrays(last) == arrays(folder / "whole.last.npz")
    assert arrays(folder / "killed.npz") == arrays(folder / "whole.npz")


@needs_mpi
@pytest.mark.parametrize("command", [["train", "-", *RUN, "--out", "m.npz"], ["eval", MODEL, "-"]])
def test_ctrl_c_ends_all_while_rank_0_waits_for_a_text(folder, command):
    """The others wait for rank 0, which must not leave without them."""
    with started(2, *command, cwd=folder, stdin=subprocess.PIPE) as job:
        wait(lambda: process_of(1, command[0]) and time.sleep(3) is None)  # long enough to be reading
        job.send_signal(signal.SIGINT)
        assert job.wait(SOON) != 0
    assert not list(folder.glob("m.*"))


@needs_mpi
def test_what_fails_on_one_rank_ends_all(folder):
    train = ["train", "c.txt", *RUN, "--max-steps", "1000000", "-q", "--force"]
    full = run(2, *train, "--log", "/dev/full", cwd=folder)
    assert (full.code, full.err.count("charrnn:")) == (1, 1)
    assert "/dev/full cannot be written" in full.err
    lacking = run(3, "train", "nothing.txt", cwd=folder)
    assert (lacking.code, lacking.err.count("there is no file")) == (1, 1)
    program_that_fails = """
import sys
from charrnn.cli.main import main
from charrnn.training.learner import Learner
step = Learner.step
def fails(self, inputs, targets, lr, number, updates, fresh=None):
    if self.ranks.rank == 1 and number == 3:
        raise MemoryError("by intent")
    return step(self, inputs, targets, lr, number, updates, fresh)
Learner.step = fails
main()
"""
    (folder / "fails.py").write_text(program_that_fails)
    done = subprocess.run(
        [str(MPIEXEC), "-n", "2", sys.executable, "fails.py", *train],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment(**MPI),
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "charrnn: rank 1 of 2: not enough memory; by intent" in done.stderr


@needs_mpi
def test_a_text_is_scored_the_same_on_any_number_of_ranks(folder, fables):
    """Of 30 streams, two shards: of three ranks one has nothing to do."""
    (folder / "long.txt").write_text(fables, encoding="utf-8")
    vocabulary = Vocabulary.of(fables)
    net = support.network("rnn", len(vocabulary), 8)
    save(folder / "m.npz", Checkpoint(net, vocabulary, {}))
    score = ["eval", "m.npz", "long.txt", "c.txt", "--json"]
    assert run(3, *score, cwd=folder).out == run(1, *score, cwd=folder).out
    for option in ("--stateless", "--per-line"):
        outcomes = [run(number, "eval", "m.npz", "c.txt", option, cwd=folder) for number in (1, 2)]
        assert outcomes[0].out == outcomes[1].out
        assert outcomes[0].code == outcomes[1].code == 0


SWEEP = "--cell rnn --hidden-size 8 --max-steps 2 --batch-size 64 --threads 1 -q"
NUMBER = "${PMI_RANK:-$OMPI_COMM_WORLD_RANK}"


def script(number: int, line: str, cwd: Path, **variables: str) -> program.Outcome:
    """A line of sh on so many ranks, in which $CHARRNN is the program and NUMBER the rank's."""
    done = subprocess.run(
        [str(MPIEXEC), "-n", str(number), "sh", "-c", line],
        cwd=cwd,
        capture_output=True,
        env=environment(**MPI, CHARRNN=" ".join(command()), **variables),
        timeout=PATIENCE,
    )
    return program.Outcome(done.returncode, done.stdout, done.stderr.decode())


@needs_mpi
@pytest.mark.parametrize(
    "line, what, theirs",
    [
        (f"exec $CHARRNN train c.txt {SWEEP} --seed {NUMBER} --out {NUMBER}.npz", "command", "--seed {}"),
        (f"exec $CHARRNN eval model.npz {NUMBER}.txt", "command", "eval model.npz {}.txt"),
        (
            f"[ {NUMBER} = 0 ] && exec $CHARRNN train c.txt; exec $CHARRNN eval m.npz c.txt",
            "command",
            "c.txt",
        ),
        (f"cd folder{NUMBER} && exec $CHARRNN train ../c.txt {SWEEP}", "working folder", "folder{}"),
    ],
)
def test_ranks_that_were_told_different_things_are_refused(folder, line, what, theirs):
    """In place of one of them, which rank 0 alone would do."""
    for name in ("folder0", "folder1"):
        (folder / name).mkdir()
    done = script(2, line, folder)
    assert done.code in (1, 2)  # Open MPI has 1 for all
    (told,) = (told for told in done.err.splitlines() if told.startswith("charrnn: "))
    assert f"the {what} of rank 1 of 2 is" in told and "but rank 0 has" in told
    assert theirs.format(0) in told and theirs.format(1) in told and "CHARRNN_MPI=off" in told
    assert sorted(path.name for path in folder.iterdir()) == ["c.txt", "folder0", "folder1"]


@needs_mpi
def test_without_mpi_a_launcher_starts_runs_of_their_own(folder):
    """The remedy for a sweep: each has its own model, and what goes wrong on each is told."""
    line = f"exec $CHARRNN train c.txt {SWEEP} --seed {NUMBER} --out m{NUMBER}.npz"
    done = script(3, line, folder, CHARRNN_MPI="off")
    assert (done.code, done.err) == (0, "")
    seeds = [json.loads((folder / f"m{i}.jsonl").read_text().splitlines()[0])["seed"] for i in range(3)]
    assert seeds == [0, 1, 2]
    failed = script(3, f"exec $CHARRNN train {NUMBER}.txt", folder, CHARRNN_MPI="off")
    assert all(f"{i}.txt" in failed.err for i in range(3))


@needs_mpi
def test_what_is_wrong_for_all_is_said_once(folder):
    for arguments, words in (
        (["train", "c.txt", "--hidden-size", "0"], "--hidden-size is 0"),
        (["train", "c.txt", "--nonsense"], "No such option"),
        (["eval", "missing.npz", "c.txt"], "there is no file missing.npz"),
    ):
        done = run(3, *arguments, cwd=folder)
        assert done.code in (1, 2) and done.err.count("charrnn: ") == done.err.count(words) == 1, done.err


LEFT_OVER = [  # in a shell, a container or a notebook that a launcher started
    {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1"},
    {"OMPI_COMM_WORLD_SIZE": "x", "OMPI_COMM_WORLD_RANK": "1"},
    {"PMI_SIZE": "2", "PMI_RANK": "1"},
    {"PMI_SIZE": "4.0", "PMI_RANK": "y"},
    {"PMI_SIZE": "-1", "PMI_RANK": "0"},
]


@pytest.mark.parametrize("variables", LEFT_OVER)
@pytest.mark.parametrize("without", [True, False])
def test_a_launchers_variables_alone_silence_nothing(variables, without, tmp_path):
    hidden = "import sys; sys.modules['mpi4py'] = None; " * without
    program = f"{hidden}from charrnn.cli.main import main; import sys; sys.argv[1:] = "
    for off, *arguments in (("off", "train", "c.txt"), ("OFF", "eval", "m.npz", "c.txt")):
        done = python(f"{program}{arguments!r}; main()", **variables)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert next(iter(variables)) in done.stderr and "CHARRNN_MPI=off" in done.stderr
        freed = python(f"{program}{arguments!r}; main()", **variables, CHARRNN_MPI=off)
        assert freed.returncode in (1, 2) and "there is no file c.txt" in freed.stderr
        assert len(freed.stderr.splitlines()) == 1 and next(iter(variables)) not in freed.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["sample", "no.npz"], "there is no file no.npz"),
        (["info", "no.npz"], "there is no file no.npz"),
        (["gradcheck", "--cell", "no"], "--cell is 'no'"),
        (["bench", "--cell", "no"], "--cell is 'no'"),
        (["plot", "no.jsonl"], "no.jsonl cannot be read"),
        (["explain", "no.npz", "no.txt"], "there is no file no"),
        (["nonsense"], "No such command"),
    ],
)
@pytest.mark.parametrize("variables", LEFT_OVER)
def test_commands_for_one_process_speak_whatever_a_launcher_says(arguments, words, variables):
    told = f"import sys; from charrnn.cli.main import main; sys.argv[1:] = {arguments!r}; main()"
    done = python(told, **variables)
    assert done.returncode in (1, 2) and words in done.stderr


def test_help_needs_no_mpi():
    told = "import sys; from charrnn.cli.main import main; sys.argv[1:] = ['train', '--help']; main()"
    assert python(told, OMPI_COMM_WORLD_SIZE="x").returncode == 0


def test_a_wrong_switch_is_refused():
    told = "import sys; from charrnn.cli.main import main; sys.argv[1:] = ['train', 'c.txt']; main()"
    done = python(told, CHARRNN_MPI="false")
    assert done.returncode == 2 and "CHARRNN_MPI is 'false'; set it to on or off" in done.stderr


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in environment().items() if name not in ranks.SIZES}
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | variables, capture_output=True, text=True, timeout=PATIENCE
    )


def test_one_process_knows_nothing_of_mpi(folder):
    train = ["train", str(folder / "c.txt"), *RUN, "--max-steps", "2", "--out", str(folder / "m.npz"), "-q"]
    code = f"""
import sys
from charrnn.cli.main import main
sys.argv[1:] = {train!r}
try:
    main()
finally:
    print([name for name in sys.modules if name.startswith("mpi4py")])
"""
    done = python(code, PMI_SIZE="1")
    assert done.stdout.strip() == "[]", done.stderr


def test_several_processes_without_mpi_are_no_runs_of_their_own():
    """Each says why, in place of four runs that overwrite each other."""
    hidden = "import sys; sys.modules['mpi4py'] = None; from charrnn.cli.main import main; "
    told = hidden + "sys.argv[1:] = ['train', 'c.txt']; main()"
    for name in ranks.SIZES:
        done = python(told, **{name: "4"})
        assert done.returncode == 2
        assert "pip install mpi4py mpich" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@needs_mpi
def test_processes_that_another_mpi_started_are_no_runs_of_their_own():
    """Such as Open MPI's mpiexec with an mpi4py of MPICH: each would see itself alone."""
    told = "import sys; from charrnn.cli.main import main; sys.argv[1:] = ['train', 'c.txt']; main()"
    done = python(told, SLURM_STEP_NUM_TASKS="4")
    assert done.returncode == 2
    assert "SLURM_STEP_NUM_TASKS counts 4 processes, but MPI counts 1" in done.stderr


class Alone(ranks.SingleProcess):
    """One of several that never meet."""

    def __init__(self, rank: int, size: int):
        self.rank, self.size = rank, size


@pytest.mark.parametrize("batch", [1, 17, 72, 130, 200])
def test_sums_over_ranks_are_those_of_the_one_tree(batch):
    """Numbers that round differently in any other order; what travels is copied by hand."""
    net = support.network("rnn", 7, 20)
    whole = DataParallel(net, batch, 2, Team(1))
    count, size = len(whole.cuts), net.flat.size
    shards = np.random.default_rng(batch).standard_normal((count, size)).astype(net.flat.dtype)
    expected = shards.copy()
    reduction.add_shards(expected, reduction.tree(count), 0, size)
    for number in range(1, count + 1):
        parts = [DataParallel(net, batch, 2, Team(1), Alone(rank, number)) for rank in range(number)]
        for part in parts:
            part.grads[: len(part.mine)] = shards[part.mine.start : part.mine.stop]
            reduction.add_shards(part.grads, part._within, 0, size)
        assert sorted(shard for part in parts for shard in part.mine) == [*range(count)]
        for part in parts:
            for rank, shard in part._roots:
                if rank != part.ranks.rank:
                    sent = parts[rank].grads[parts[rank]._at[shard]]
                    part.grads[part._at[shard]] = sent
        for part in parts:
            across = part._all[len(part._within) :]
            reduction.add_shards(part.grads, across, 0, size)
            np.testing.assert_array_equal(part.grad, expected[0])


def test_a_rank_has_its_part_of_the_text_and_no_more(fables):
    corpus = from_text(fables)
    plan = Plan.of(corpus, ModelConfig("rnn", 8), TrainConfig(batch_size=64, seq_len=32, val_fraction=0.2))
    parts = [plan.of_rank(Alone(rank, 4), rank) for rank in range(4)]
    for chunk in (0, plan.streams.chunks - 1):
        for whole, mine in zip(
            plan.streams.chunk(chunk),
            zip(*(part.streams.chunk(chunk) for part in parts), strict=True),
            strict=True,
        ):
            np.testing.assert_array_equal(np.concatenate(mine), whole)
    for part in parts[1:]:
        assert len(pickle.dumps(part)) < 0.25 * len(fables)
        assert (part.total_steps, part.save_every) == (plan.total_steps, plan.save_every)
        assert part.streams.longest == plan.streams.longest
    with pytest.raises(UsageError, match="5 processes are too many: 64 streams make 4 shards of 16"):
        plan.of_rank(Alone(0, 5), 0)


def test_cores_are_shared_by_the_ranks_that_may_use_them():
    sharing, cores = Alone(0, 4), Team().threads
    sharing.ranks_on_cores = 2
    assert Team(0, sharing).threads == max(1, cores // 2)
    assert Team(3, sharing).threads == 3
