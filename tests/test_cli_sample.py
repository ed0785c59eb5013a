"""charrnn sample: its options, and what it shows on terminals of every kind and in pipes."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import signal
import subprocess
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import support
from program import command, environment, heed_signals, run

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.reading import load
from charrnn.checkpoint.writing import save
from charrnn.cli.main import program
from charrnn.cli.output import json_line, visible
from charrnn.config import SampleConfig
from charrnn.errors import TextError, UsageError
from charrnn.sampling.sampler import Sampler, sample
from charrnn.text.vocabulary import Vocabulary, to_bytes

ODD = "\x1b\x07\x7f\x9b\r\u202e\u2066\u2069\ue000\u2028"  # what must not reach a terminal
FINE = "\u200f\u061c\n\tab é語\u00a0\u3000\u200c\u200d\ufe0f👩\u0301"
PATIENCE = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("sample")
    for name, vocabulary in (("m", Vocabulary.of(ODD + FINE)), ("bytes", Vocabulary.of_bytes())):
        model = Checkpoint(support.network("gru", len(vocabulary), 8), vocabulary, {})
        save(made / f"{name}.npz", model)
    return made


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def texts(name: str = "m.npz", **config) -> list[str]:
    """What the library draws."""
    blocks = Sampler(load(Path(name)), SampleConfig(**config))
    return ["".join(parts) for parts in zip(*(block.texts for block in blocks), strict=True)]


def shown(capture, *arguments: object) -> bytes:
    """`charrnn sample` in this process."""
    program()(["sample", *map(str, arguments), "-q"], standalone_mode=False)
    return capture.readouterr().out


def test_samples_come_in_order_each_ended_by_the_separator(here, capfdbinary):
    expected = texts(length=40, seed=4, num=18, prime="ab", stop=("b",))
    assert len(set(map(len, expected))) > 5  # they end at different times
    arguments = ["m.npz", "--length", 40, "--seed", 4, "--num", 18, "--prime", "ab", "--stop", "b"]
    assert shown(capfdbinary, *arguments) == "".join(f"ab{text}\n" for text in expected).encode()
    bare = shown(capfdbinary, *arguments, "--no-echo", "--separator", "<é>", "--threads", 1)
    assert bare == "".join(f"{text}<é>" for text in expected).encode()


def test_every_rule_arrives(here, capfdbinary):
    rules = {"temp": 0.9, "top_k": 9, "top_p": 0.9, "min_p": 0.3, "repeat_penalty": 1.3}
    options = [part for name, value in rules.items() for part in (f"--{name.replace('_', '-')}", value)]
    expected = texts(length=200, seed=4, **rules)[0]
    assert shown(capfdbinary, "m.npz", "--length", 200, "--seed", 4, *options) == expected.encode()
    for name, off in vars(SampleConfig()).items():
        if name in rules:
            assert texts(length=200, seed=4, **rules | {name: off})[0] != expected, name


def test_json_is_ascii_without_control_characters():
    line = json_line("é\x7f\x9b\udcff\n")
    assert line.isascii() and line.isprintable()
    assert json.loads(line) == "é\x7f\x9b\ufffd\n"


@pytest.mark.parametrize("name", ["m.npz", "bytes.npz"])
def test_lines_of_json(here, capfdbinary, name):
    options = ["--length", 60, "--seed", 4, "--num", 3, "--prime", "é", "--format", "jsonl", "--stop", "b"]
    out = shown(capfdbinary, name, *options)
    assert out.isascii() and b"\x7f" not in out
    lines = [json.loads(line) for line in out.splitlines()]
    config = SampleConfig(length=60, seed=4, num=3, prime="é", stop=("b",))
    blocks = list(Sampler(load(Path(name)), config, logprobs=True))
    for i, line in enumerate(lines):
        text = "".join(block.texts[i] for block in blocks)
        logprobs = [x for block in blocks for x in block.logprobs[i]]
        exact = base64.b64decode(line.pop("text_bytes", "")) or line["text"].encode()
        assert exact == to_bytes(text)
        valid = re.sub("[\udc80-\udcff]", "\ufffd", text)
        assert line == {"sample": i, "seed": 4, "prime": "é", "text": valid, "logprobs": logprobs}
        assert len(logprobs) == len(exact if name == "bytes.npz" else text)
    assert len(lines) == 3


def test_bytes_into_a_pipe_are_exact(here, capfdbinary):
    raw = to_bytes(texts("bytes.npz", length=3000, seed=1)[0])
    assert len(raw) == 3000 and len(set(raw)) > 250
    assert shown(capfdbinary, "bytes.npz", "--length", 3000, "--seed", 1) == raw
    Path("raw").write_bytes(bytes(range(256)))
    out = shown(capfdbinary, "bytes.npz", "--length", 0, "--stop", "\n", "--seed", 1, "--prime-file", "raw")
    assert out.startswith(bytes(range(256)))


def test_a_long_prime_from_a_file_and_from_stdin(here, capfdbinary):
    prime = "".join(np.random.default_rng(0).choice(list(FINE), 100_000))
    Path("prime.txt").write_bytes(prime.encode())
    options = ["m.npz", "--length", 50, "--seed", 1]
    expected = "".join(sample(load(Path("m.npz")), SampleConfig(length=50, seed=1, prime=prime)))
    assert shown(capfdbinary, *options, "--prime-file", "prime.txt") == (prime + expected).encode()
    piped = run("sample", *options, "--prime-file", "-", "--no-echo", cwd=here, stdin=prime.encode())
    assert (piped.code, piped.out, piped.err) == (0, expected.encode(), "seed 1\n")  # nothing compiles


def test_unknown_characters_are_refused_or_skipped_and_counted(here):
    options = ["sample", "m.npz", "--length", 20, "--seed", 1, "--prime", "aZéZ", "--stop", "Z"]
    with pytest.raises(TextError, match=r"the prime has .* 'Z'"):
        program()(list(map(str, options)), standalone_mode=False)
    done = run(*options, "--unknown", "skip", cwd=here)
    assert done.out == ("aé" + texts(length=20, seed=1, prime="aé")[0] + "\n").encode()
    assert done.err.splitlines()[0] == "seed 1"
    said = sorted(done.err.splitlines()[1:])
    assert said[0].startswith("--stop 'Z' cannot occur") and said[1].startswith(
        "skipped 2 characters of the prime"
    )
    assert len(said) == 2


@pytest.mark.parametrize(
    "options, words",
    [
        (["--format", "xml"], "format is 'xml'"),
        (["--prime", "a", "--prime-file", "b"], "--prime and --prime-file"),
        (["--length", "0", "--num", "2"], "length is 0 and num is 2"),
        (["--length", "0", "--format", "jsonl"], "--stop"),
        (["--length", "0", "--format", "jsonl", "--stop", "Z", "--unknown", "skip"], "--stop"),
    ],
    ids=str,
)
def test_wrong_usage(here, options, words):
    with pytest.raises(UsageError, match=words):
        program()(["sample", "m.npz", *options], standalone_mode=False)


# what is shown


def test_what_could_steer_or_deceive_is_escaped():
    assert visible("\x1b[2J\u202eab\u2066", "\n\t") == "\\x1b[2J\\u202eab\\u2066"
    assert visible(FINE, keep="\n\t") == FINE
    assert visible("a\tb\n") == "a\\tb\\n"


@pytest.mark.parametrize("err_on_terminal", [True, False])
@pytest.mark.parametrize("out_on_terminal", [True, False])
def test_streams_of_every_kind(folder, out_on_terminal, err_on_terminal):
    text = texts(str(folder / "m.npz"), length=60, seed=2, prime="a")[0]
    options = ["sample", "m.npz", "--length", 60, "--seed", 2, "--prime", "a"]
    running = []
    for changes in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):  # side by side, to save time
        pairs = [pty.openpty() if yes else os.pipe() for yes in (out_on_terminal, err_on_terminal)]
        ends = {"stdin": subprocess.DEVNULL, "stdout": pairs[0][1], "stderr": pairs[1][1]}
        process = subprocess.Popen(command(*options), cwd=folder, env=environment(**changes), **ends)
        running.append((changes, pairs, process))
    for changes, pairs, process in running:
        assert process.wait(PATIENCE) == 0
        written, noted = (os.read(stream, 65536).decode() for stream, _ in pairs)
        for stream in chain(*pairs):
            os.close(stream)
        if out_on_terminal:
            assert written.replace("\r\n", "\n") == visible("a" + text, keep="\n\t") + "\n"
            assert not set(written) & set(ODD) - {"\r"}
        else:
            assert written == "a" + text
        assert "seed 2" in noted
        assert ("\x1b[" in noted) == (err_on_terminal and "TERM" not in changes)
        assert "\x1b[3" not in noted  # a colour


@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_utf_8_whatever_the_locale(folder, form):
    posix = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1"}
    options = ["sample", "m.npz", "--length", 200, "--seed", 2, "--format", form]
    done = run(*options, cwd=folder, **posix)
    expected = texts(str(folder / "m.npz"), length=200, seed=2)[0]
    assert done.code == 0
    assert (done.out.decode() if form == "text" else json.loads(done.out)["text"]) == expected


def rss(process: subprocess.Popen) -> int:
    """Kilobytes of memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc is Linux's")
def test_text_without_end_takes_constant_memory_and_ctrl_c_leaves_what_was_drawn(folder):
    options = ["sample", "m.npz", "--length", 0, "--seed", 1, "-q", "--stop", "aaaaaaaaaaaaaaaaaaaa"]
    with subprocess.Popen(
        command(*options),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=heed_signals,
    ) as process:
        drawn = process.stdout.read(300_000)
        before = rss(process)
        drawn += process.stdout.read(2_000_000)
        assert rss(process) < before + 1000
        process.send_signal(signal.SIGINT)
        drawn += process.stdout.read()
        err = process.stderr.read()
    assert (process.returncode, err) == (130, b"")
    text = drawn.decode()  # ends with a whole character
    assert text.startswith(texts(str(folder / "m.npz"), length=100_000, seed=1)[0])
