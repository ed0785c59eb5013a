"""Random hostile files, by hypothesis: refused, or sound and read as NumPy reads them.

`pytest --fuzz 60 tests/test_fuzz.py` for a minute of each, with other examples in every run of it.
"""

from __future__ import annotations

import copy
import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hostile
import hostile_meta
import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from support import STEERING
from zips import Zip, as_numpy, headed, taken_apart

from charrnn.checkpoint import npz
from charrnn.checkpoint.reading import load
from charrnn.checkpoint.run_progress import Progress
from charrnn.cli.info import lines
from charrnn.cli.output import json_line
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import CheckpointError

EXAMPLES = 250
SOUND = hostile.sound()
META = hostile_meta.meta_of(taken_apart(SOUND))
PARTS = len(taken_apart(SOUND).parts)

numbers = st.sampled_from([0, 1, 2, 8, 20, 45, 127, 128, 255, 0xFFFE, 0xFFFF]) | st.integers(0, 0xFFFF)
wide = numbers | st.sampled_from([1 << 31, 0xFFFFFFFE, 0xFFFFFFFF]) | st.integers(0, len(SOUND))
junk = st.binary(max_size=40) | st.sampled_from(
    [b"PK\5\6" + bytes(18), b"PK\1\2", b"PK\3\4", b"PK\6\6", b"\0" * 22]
)
fields = st.dictionaries(
    st.sampled_from(["flags", "method", "needed", "name", "extra", "comment", "disk", "made_by", "date"]),
    numbers,
    max_size=2,
) | st.dictionaries(st.sampled_from(["crc", "stored", "size", "start", "outer"]), wide, max_size=2)
headers = st.builds(
    headed,
    st.sampled_from(
        ["'<f4'", "'<f8'", "'<u4'", "'|u1'", "'>f4'", "'|O'", "'<f2'", "[('a', '<f4')]", "f4", "''"]
    ),
    st.sampled_from(
        ["()", "(0,)", "(4,)", "(4, 3)", "(4,3)", "(4)", "(-4,)", "(04,)", "(1,)" * 9, "(4, 3, )", "(2**2,)"]
    )
    | st.lists(st.integers(0, 10**13), max_size=5).map(lambda sizes: str(tuple(sizes))),
    st.binary(max_size=20) | st.just(bytes(16)) | st.just(bytes(48)),
    st.sampled_from(["False", "False", "True", "None"]),
)
changes = st.lists(
    st.tuples(st.just("local"), fields)
    | st.tuples(st.just("central"), fields)
    | st.tuples(st.just("both"), fields)
    | st.tuples(st.sampled_from(["before", "extra", "data", "name", "cut", "longer", "behind"]), junk)
    | st.tuples(st.just("data"), headers)
    | st.tuples(st.sampled_from(["unlisted", "again", "gone", "swapped"]), st.integers(0, PARTS - 1))
    | st.tuples(st.sampled_from(["before_directory", "after_directory", "after"]), junk)
    | st.tuples(st.just("end"), st.dictionaries(st.integers(1, 7), numbers, max_size=2)),
    min_size=1,
    max_size=3,
).flatmap(lambda kinds: st.tuples(*(st.tuples(st.just(kind), st.integers(0, PARTS - 1)) for kind in kinds)))

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
scalars |= st.sampled_from([0, 1, 10**9, 10**17, 10**18, 2**63, "gru", "char", "byte", "\x1b[2J", "float64"])
names = st.sampled_from(sorted(META) + sorted(META["progress"]) + sorted(META["model"])) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
places = [(name,) for name in META] + [
    (t, name) for t in META if isinstance(META[t], dict) for name in META[t]
]
mild = st.integers(0, 99) | st.floats(0, 1) | st.text(max_size=9) | st.booleans()  # may well be sound
metas = st.lists(
    st.tuples(st.sampled_from([*places, ("novel",), ("progress", "best", "loss")]), values)
    | st.tuples(st.sampled_from([place for place in places if place[0] != "model"]), mild),
    min_size=1,
    max_size=2,
)


def spoil_zip(zip_: Zip, kind: str, value: Any, place: int) -> None:
    """One change of a zip, at the member `place` if it concerns one."""
    part = zip_.parts[place % len(zip_.parts)]
    match kind:
        case "local" | "central":
            getattr(part, kind).update(value)
        case "both":
            part.local.update({name: number for name, number in value.items() if name != "start"})
            part.central.update(value)
        case "end" | "before_directory" | "after_directory" | "after":
            setattr(zip_, kind, value)
        case "before" | "extra" | "data" | "name" | "behind":
            setattr(part, kind, value)
        case "cut":
            part.data = part.data[: -len(value) - 1]
        case "longer":
            part.data += value
        case "unlisted":
            part.listed = False
        case "again":
            zip_.parts.insert(value, copy.deepcopy(part))
        case "gone":
            zip_.parts.remove(part)
        case "swapped":
            part.name, zip_.parts[value % len(zip_.parts)].name = (
                zip_.parts[value % len(zip_.parts)].name,
                part.name,
            )


def judge(path: Path, data: bytes) -> None:
    """Refused as it should be; or read as others read it, and of use to every command."""
    path.write_bytes(data)
    try:
        loaded = load(path)
    except CheckpointError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 600
        return
    with np.load(path, allow_pickle=False) as theirs, path.open("rb") as file:
        members = npz.members(file)
        assert theirs.files == list(members)
        for name, member in members.items():
            np.testing.assert_array_equal(theirs[name], npz.read(file, member))
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    assert np.isfinite(loaded.network.flat).all()
    assert not STEERING.search("\n".join(lines(loaded.meta)))
    json_line(loaded.meta)
    use(loaded.meta)


def use(meta: dict[str, Any]) -> None:
    """What commands do with the meta: resume, train --init-from."""
    assert replace(ModelConfig(), **meta["model"]).hidden_size > 0
    known = TrainConfig.__dataclass_fields__.keys()
    replace(
        TrainConfig(), **{name: value for name, value in meta.get("training", {}).items() if name in known}
    )
    meta.get("corpus", {}).get("sha256")
    if "progress" in meta:
        progress = Progress(**meta["progress"])
        assert meta["command"].strip is not None
        assert progress.lr_scale / 2 <= 1
        assert progress.best["loss"] > 1.0 or progress.best["step"] >= 0 if progress.best else True
        assert all(int(step) < 10**18 for step, _ in progress.history)


def fuzz(request: pytest.FixtureRequest, strategy: Any, check: Callable[[Any], None]) -> None:
    """Some examples, the same in every run; or, by --fuzz, as many as fit into the time."""
    end = time.monotonic() + request.config.getoption("--fuzz")
    settings = hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    settings(hypothesis.given(strategy)(check))()
    count = EXAMPLES
    while time.monotonic() < end:
        count += EXAMPLES
        hypothesis.settings(settings, derandomize=False)(hypothesis.given(strategy)(check))()
    if count > EXAMPLES:
        print(f"\n{request.node.name}: {count:,} files")


def test_zips(request, tmp_path):
    def check(spoils: Any) -> None:
        zip_ = taken_apart(SOUND)
        for (kind, value), place in spoils:
            if zip_.parts:
                spoil_zip(zip_, kind, value, place)
        judge(tmp_path / "m.npz", zip_.to_bytes())

    fuzz(request, changes, check)


@pytest.mark.parametrize("streamed", [False, True])
def test_zips_as_numpy_writes_them(streamed, request, tmp_path):
    def check(spoils: Any) -> None:
        zip_ = taken_apart(SOUND)
        as_numpy(zip_, streamed)
        for (kind, value), place in spoils:
            if zip_.parts:
                spoil_zip(zip_, kind, value, place)
        judge(tmp_path / "m.npz", zip_.to_bytes())

    fuzz(request, changes, check)


def test_metas(request, tmp_path):
    def check(spoils: Any) -> None:
        meta = copy.deepcopy(META)
        for path, value in spoils:
            table = meta
            for name in path[:-1]:
                table = table[name] if isinstance(table.get(name), dict) else {}
            table[path[-1]] = value
        zip_ = taken_apart(SOUND)
        hostile_meta.with_meta(json.dumps(meta))(zip_)
        judge(tmp_path / "m.npz", zip_.to_bytes())

    fuzz(request, metas, check)


def test_bytes_anywhere(request, tmp_path):
    """A few runs of bytes replaced by others, of another length even."""

    def check(spoils: Any) -> None:
        data = SOUND
        for place, length, new in spoils:
            data = data[:place] + new + data[place + length :]
        judge(tmp_path / "m.npz", data)

    runs = st.tuples(st.integers(0, len(SOUND)), st.integers(0, 60), junk)
    fuzz(request, st.lists(runs, min_size=1, max_size=4), check)
