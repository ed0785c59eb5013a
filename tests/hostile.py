"""Files that a stranger could send as a checkpoint: `python tests/hostile.py FOLDER` writes them all.

Each is a sound checkpoint with one thing wrong, its sizes and checksums mended so that nothing else is.
"""

from __future__ import annotations

import copy
import os
import pickle
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_meta
import numpy as np
import support
from hostile_meta import ESCAPE
from zips import Change, Part, Zip, appended, array, as_numpy, attributes, data, headed, npy, part, spoil

from charrnn.checkpoint import npz
from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.text.vocabulary import Vocabulary

NOTHING = struct.Struct("<HHL")  # an empty extra field of a zip, with an id of its own


class Pickled:
    """An object that creates the file `owned` in the current folder when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch owned",)


def spoilt(name: str, value: float) -> Change:
    return data(name, lambda content: content[:-4] + np.float32(value).tobytes())


def overlapping(zip_: Zip) -> None:
    """Two members that share data, as in zip bombs that unpack to many times their size."""
    first = zip_.parts[0]
    again = copy.deepcopy(first)
    again.name = b"again.npy"
    zip_.parts.insert(1, again)
    again.central = {"start": 0}


def two_biases(zip_: Zip) -> None:
    """Two finite biases whose sum is infinite."""
    for name in ("rnn.bias_ih_l0", "rnn.bias_hh_l0"):
        zip_[name].data = zip_[name].data[:128] + np.full(9, 3e38, np.float32).tobytes()


def zip64(zip_: Zip) -> None:
    """True sizes in an extra field, and other sizes that another reader may use."""
    one = zip_.parts[0]
    size = len(one.data)
    one.extra = struct.pack("<HHQQ", 1, 16, size, size)
    one.local = {"size": 0xFFFFFFFF, "stored": 0xFFFFFFFF}


def numpys(name: str, streamed: bool = False, **values: Any) -> Change:
    """A zip as NumPy writes it, with one thing wrong at a member: fields of it, or other attributes."""

    def change(zip_: Zip) -> None:
        as_numpy(zip_, streamed)
        for key, value in values.items():
            old = getattr(zip_[name], key)
            setattr(zip_[name], key, value(old) if callable(value) else old | value)

    return change


def lying_extra(size: int, stored: int, rest: bytes = b"") -> Callable[[bytes], bytes]:
    return lambda _: struct.pack("<HHQQ", 1, 16 + len(rest), size, stored) + rest


def lying_end(crc: int | None = None, size: int | None = None, stored: int | None = None) -> Any:
    """Another descriptor behind the data."""

    def change(sound: bytes) -> bytes:
        told = struct.unpack("<4sLQQ", sound)
        lies = (told[0], crc, stored, size)
        return struct.pack("<4sLQQ", *(t if lie is None else lie for t, lie in zip(told, lies, strict=True)))

    return change


def zip64_end(zip_: Zip) -> None:
    """A second, 64-bit end record, which readers prefer, that counts no members."""
    record = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 0, 0, 0, 0)
    zip_.after_directory = record + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)


def shifted(zip_: Zip) -> None:
    """A program before the zip, and offsets that do not count it; zipfile would correct them."""
    zip_.parts[0].before = b"#!/bin/sh\n"
    zip_.parts[0].central = {"start": 0}


def longer_directory(zip_: Zip) -> None:
    zip_.after_directory = b"hidden"
    zip_.end[5] = len(b"hidden") + sum(npz.ENTRY.size + len(part.name) for part in zip_.parts)


def hidden_data(zip_: Zip) -> None:
    """More data than the shape; the checksum is of what the shape takes."""
    one = zip_["out.bias"]
    one.local = one.central = {"crc": zlib.crc32(one.data)}
    one.data += b"hidden"


def deflated(zip_: Zip) -> None:
    one = zip_.parts[0]
    packer = zlib.compressobj(wbits=-15)
    size, crc = len(one.data), zlib.crc32(one.data)
    one.data = packer.compress(one.data) + packer.flush()
    one.local = one.central = {"method": 8, "size": size, "stored": len(one.data), "crc": crc}


def many_layers(zip_: Zip) -> None:
    """As many layers as members, with most layers missing."""
    for number in range(3000):
        zip_.parts.append(Part(f"rnn.weight_ih_l{number + 1}.npy".encode(), npy(np.zeros(1, np.float32))))
    hostile_meta.meta(model__num_layers=3000)(zip_)


PICKLE = pickle.dumps(Pickled())
FILES: dict[str, Change] = {
    # the zip
    "something before the first member": part("embed.weight", before=b"#!/bin/sh\n"),
    "a program before the whole zip": shifted,
    "a gap between members": part("vocab", before=b"\0" * 8),
    "a member that is not in the directory": part("out.bias", listed=False),
    "a gap before the directory": attributes(before_directory=b"hidden"),
    "something between directory and end": attributes(after_directory=b"hidden"),
    "something after the end": attributes(after=b"hidden"),
    "a comment": attributes(end={7: 6}, after=b"hidden"),
    "a comment with another end of a zip": attributes(end={7: 22}, after=b"PK\5\6" + bytes(18)),
    "a comment announced, but none there": attributes(end={7: 3}),
    "two members in one place": overlapping,
    "a member twice": lambda zip_: zip_.parts.append(copy.deepcopy(zip_.parts[0])),
    "members that start in another order": lambda zip_: (
        zip_.parts[0].central.update(start=300),
        zip_.parts[1].central.update(start=0),
    ),
    "a start beyond the file": part("vocab", central={"start": 0xFFFFFFF0}),
    "a directory of more entries than told": attributes(end={3: 3, 4: 3}),
    "a directory of fewer entries than told": attributes(end={3: 30, 4: 30}),
    "counts of entries that differ": attributes(end={3: 1}),
    "a directory longer than its entries": longer_directory,
    "no entries": attributes(end={3: 0, 4: 0}),
    "65,535 entries": attributes(end={3: 65535, 4: 65535}),
    "a directory of 4 GB": attributes(end={5: 0xFFFFFFFF}),
    "a directory at 4 GB": attributes(end={6: 0xFFFFFFFF}),
    "a directory somewhere else": attributes(end={6: 0}),
    "another disk": attributes(end={1: 1}),
    "a directory on another disk": attributes(end={2: 1}),
    "a member on another disk": part("vocab", central={"disk": 1}),
    "an end of another kind": attributes(end={0: b"PK\6\6"}),
    "an entry of another kind": part("vocab", central={"mark": b"PK\1\3"}),
    "a 64-bit zip's sizes": zip64,
    "a 64-bit zip's end": zip64_end,
    "NumPy's form, another size": numpys("vocab", extra=lying_extra(7, 7)),
    "NumPy's form, a size of 16 EB": numpys("vocab", extra=lying_extra(2**64 - 1, 2**64 - 1)),
    "NumPy's form, another stored size": numpys("vocab", extra=lying_extra(144, 7)),
    "NumPy's form, a longer extra field": numpys("vocab", extra=lying_extra(144, 144, bytes(8))),
    "NumPy's form, a second extra field": numpys("vocab", extra=lambda e: e + NOTHING.pack(0xCAFE, 0, 0)),
    "NumPy's form, a field of another id": numpys("vocab", extra=lambda e: b"\2" + e[1:]),
    "NumPy's form without the field": numpys("vocab", extra=lambda e: b""),
    "NumPy's form, sizes in 32 bits too": numpys("vocab", local={"size": 144, "stored": 144}),
    "NumPy's form, sizes in 64 bits in the directory": numpys(
        "vocab", central=dict.fromkeys(("size", "stored"), 0xFFFFFFFF)
    ),
    "NumPy's form, an extra field in the directory": numpys("vocab", central={"extra": 20}),
    "NumPy's form where it starts alone": numpys("vocab", central={"needed": 20}),
    "NumPy's form in the directory alone": numpys("vocab", local={"needed": 20}),
    "NumPy's form, compressed": numpys("vocab", central={"method": 8}, local={"method": 8}),
    "NumPy's form, encrypted": numpys("vocab", central={"flags": 1}, local={"flags": 1}),
    "NumPy's form, something behind the data": numpys("vocab", behind=lambda _: b"hidden"),
    "NumPy's form, another checksum": numpys("vocab", local={"crc": 1}, central={"crc": 1}),
    "streamed, another checksum behind": numpys("vocab", True, behind=lying_end(crc=1)),
    "streamed, another size behind": numpys("vocab", True, behind=lying_end(size=7)),
    "streamed, another stored size behind": numpys("vocab", True, behind=lying_end(stored=2**63)),
    "streamed, nothing behind": numpys("vocab", True, behind=lambda _: b""),
    "streamed, 32 bits behind": numpys("vocab", True, behind=lambda e: struct.pack("<4s3L", e[:4], 1, 1, 1)),
    "streamed, no mark behind": numpys("vocab", True, behind=lambda e: e[4:]),
    "streamed, more behind": numpys("vocab", True, behind=lambda e: e + b"hidden"),
    "streamed, sizes in the extra field": numpys("vocab", True, extra=lying_extra(144, 144)),
    "streamed, a checksum where it starts": numpys("vocab", True, local={"crc": 1}),
    "streamed, another checksum in the directory": numpys("vocab", True, central={"crc": 1}),
    "streamed where it starts alone": numpys("vocab", True, central={"flags": 0}),
    "streamed in the directory alone": numpys("vocab", True, local={"flags": 0}),
    "an extra field where it starts": part("vocab", extra=NOTHING.pack(0xCAFE, 4, 0)),
    "an extra field in the directory": part("vocab", central={"extra": 3}),
    "an extra field told in both places": part("meta", central={"extra": 3}, local={"extra": 3}),
    "a comment on a member": part("vocab", central={"comment": 3}),
    "deflated": deflated,
    "deflated, it says": part("vocab", central={"method": 8}, local={"method": 8}),
    "deflated, it says where it starts": part("vocab", local={"method": 8}),
    "a method that nobody knows": part("vocab", central={"method": 99}, local={"method": 99}),
    "a version of zip that nobody knows": part("vocab", central={"needed": 99}, local={"needed": 99}),
    "encrypted": part("vocab", central={"flags": 1}, local={"flags": 1}),
    "encrypted where it starts": part("vocab", local={"flags": 1}),
    "sizes behind the data": part("vocab", central={"flags": 8}, local={"flags": 8}),
    "another checksum": part("vocab", central={"crc": 1}, local={"crc": 1}),
    "another checksum where it starts": part("vocab", local={"crc": 1}),
    "another checksum of the meta": part("meta", central={"crc": 1}, local={"crc": 1}),
    "another size where it starts": part("vocab", local={"size": 7}),
    "another stored size where it starts": part("vocab", local={"stored": 7}),
    "another stored size in the directory": part("vocab", central={"stored": 7}),
    "another stored size in both places": part("vocab", central={"stored": 7}, local={"stored": 7}),
    "a size of 4 GB": part("vocab", central=dict.fromkeys(("size", "stored"), 0xFFFFFFFF)),
    "another version where it starts": part("vocab", local={"needed": 45}),
    "a longer name where it starts": part("vocab", local={"name": 20}),
    "a longer name in the directory": part("vocab", central={"name": 60_000}),
    # names
    "no name": lambda zip_: setattr(zip_["vocab"], "name", b""),
    "a name without .npy": lambda zip_: setattr(zip_["vocab"], "name", b"vocab"),
    "a name with NUL": appended(Part(b"vocab\0.npy", npy(np.zeros(3)))),
    "a name out of the folder": appended(Part(b"../../vocab.npy", npy(np.zeros(3)))),
    "a name that steers a terminal": appended(Part(f"{ESCAPE}.npy".encode(), npy(np.zeros(3)))),
    "a name that is no UTF-8": appended(Part(b"\xff\xfe.npy", npy(np.zeros(3)))),
    "a name of 60,000 characters": appended(Part(b"x" * 60_000 + b".npy", npy(np.zeros(3)))),
    "a name of another case": appended(Part(b"Vocab.npy", npy(np.zeros(3)))),
    "a folder": appended(Part(b"folder/", b"")),
    "a member that is no array": appended(Part(b"readme.txt", b"hello")),
    "an array too many": appended(Part(b"extra.npy", npy(np.zeros(3, np.float32)))),
    "an array too few": lambda zip_: zip_.parts.remove(zip_["out.bias"]),
    "no meta": lambda zip_: zip_.parts.remove(zip_["meta"]),
    "no vocabulary": lambda zip_: zip_.parts.remove(zip_["vocab"]),
    "12,000 members": lambda zip_: zip_.parts.extend(
        Part(b"x%d.npy" % i, npy(np.zeros(1, np.float32))) for i in range(12_000)
    ),
    "3,000 layers": many_layers,
    "optimiser's slots with a gap": appended(Part(b"optim.7.npy", npy(np.zeros(143, np.float32)))),
    "an optimiser's slot of another size": array("optim.0", np.zeros(3, np.float32)),
    "a carried state of another size": array("state.carried", np.zeros((2, 4), np.float32)),
    "a carried state of four dimensions": array("state.carried", np.zeros((1, 1, 2, 3), np.float32)),
    "another state": appended(Part(b"state.other.npy", npy(np.zeros(3, np.float32)))),
    # arrays
    "a pickle": data("out.bias", headed("'|O'", "()", PICKLE)),
    "a pickle in place of an array": data("out.bias", PICKLE),
    "a pickle as vocabulary": data("vocab", headed("'|O'", "(1,)", PICKLE)),
    "a pickle as meta": array("meta", np.frombuffer(PICKLE, np.uint8)),
    "a structured type": data("out.bias", headed("[('a', '<f4')]", "(4,)", bytes(16))),
    "strings": data("out.bias", headed("'<U1'", "(4,)", bytes(16))),
    "a type that nobody knows": data("out.bias", headed("'zzz'", "(4,)", bytes(16))),
    "big-endian numbers": data("out.bias", headed("'>f4'", "(4,)", bytes(16))),
    "times": data("out.bias", headed("'<M8'", "(2,)", bytes(16))),
    "16-bit numbers": array("out.bias", np.zeros(4, np.float16)),
    "64-bit numbers": array("out.bias", np.zeros(4)),
    "another order of the axes": data("out.bias", headed("'<f4'", "(4,)", bytes(16), order="True")),
    "a header that is code": data("out.bias", headed("__import__('os').system('touch owned')", "(4,)")),
    "a shape that is code": data("out.bias", headed("'<f4'", "(2**2,)", bytes(16))),
    "a deep header": data("out.bias", headed("'<f4'", "(" * 1000 + ")" * 1000, bytes(16))),
    "a long header": data("out.bias", headed("'<f4'", "(4,)" + " " * 5000, bytes(16))),
    "a header of 20,000 dimensions": data("out.bias", headed("'<f4'", f"({'1, ' * 20_000}4)", bytes(16))),
    "a header that ends too late": data("vocab", lambda d: d[:8] + b"\xff\xff" + d[10:]),
    "format 2.0 of an array": data("vocab", lambda d: d[:6] + b"\2" + d[7:]),
    "no array's mark": data("vocab", lambda d: b"\x93NUMPX" + d[6:]),
    "an empty member": data("vocab", b""),
    "a huge shape": data("vocab", headed("'<u4'", "(1000000000000,)", bytes(16))),
    "a shape beyond 64 bits": data("vocab", headed("'<u4'", "(4, 999999999999, 999999999999)", bytes(16))),
    "a negative shape": data("out.bias", headed("'<f4'", "(-4,)", bytes(16))),
    "a shape of zero with a huge side": data("out.bias", headed("'<f4'", "(0, 999999999999)")),
    "a shape of true": data("out.bias", headed("'<f4'", "(True, 4)", bytes(16))),
    "more data than the shape": data("out.bias", lambda d: d + bytes(4)),
    "data hidden behind an array": hidden_data,
    "less data than the shape": data("out.bias", lambda d: d[:-4]),
    "NaN": spoilt("out.bias", np.nan),
    "an infinite weight": spoilt("rnn.weight_hh_l0", -np.inf),
    "NaN in the optimiser": spoilt("optim.1", np.nan),
    "an infinite state": spoilt("state.carried", np.inf),
    "biases whose sum is infinite": two_biases,
    # vocabulary
    "a code point twice": array("vocab", np.array([10, 97, 97, 99], np.uint32)),
    "code points not in order": array("vocab", np.array([10, 98, 97, 99], np.uint32)),
    "a surrogate": array("vocab", np.array([10, 97, 98, 0xD800], np.uint32)),
    "a code point beyond Unicode": array("vocab", np.array([10, 97, 98, 0x110000], np.uint32)),
    "signed code points": array("vocab", np.array([10, 97, 98, 99], np.int32)),
    "code points in 64 bits": array("vocab", np.array([10, 97, 98, 99], np.int64)),
    "no code points": array("vocab", np.array([], np.uint32)),
    "a matrix of code points": array("vocab", np.array([[10, 97], [98, 99]], np.uint32)),
    "one code point too many": array("vocab", np.array([10, 97, 98, 99, 100], np.uint32)),
    "a vocabulary of 40 MB": array("vocab", np.arange(10**7, dtype=np.uint32)),
    **hostile_meta.FILES,
}


def sound() -> bytes:
    """A checkpoint with every kind of member and of meta."""
    network = support.network("gru", 4, 3, embed_size=2)
    slot = np.zeros_like(network.flat)
    extra = {"optim.0": slot, "optim.1": slot, "state.carried": network.flat[:6].reshape(2, 3)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.npz"
        vocabulary = Vocabulary.of("\nabc")
        save(path, Checkpoint(network, vocabulary, hostile_meta.run_meta(), extra))
        return path.read_bytes()


def write_all(folder: Path) -> dict[str, Path]:
    """Every hostile file, by what is wrong with it."""
    content, paths = sound(), {}
    for number, (wrong, change) in enumerate(FILES.items()):
        paths[wrong] = folder / f"{number:03}.npz"
        paths[wrong].write_bytes(spoil(content, change))
    return paths


if __name__ == "__main__":
    for wrong, path in write_all(Path(sys.argv[1])).items():
        print(f"{path}  {wrong!a}")
