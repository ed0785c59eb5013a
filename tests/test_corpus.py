"""Reading files: nothing is lost, whatever their size and wrapping, and every error says where."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from charrnn.errors import TextError
from charrnn.text import corpus, source
from charrnn.text.kinds import packer
from charrnn.text.vocabulary import Vocabulary, to_bytes

ODD = "\0\r\n\n\r\ufeff\u2028\x1a é漢\U0001f600\U0001f3fd\U0010ffff"


PACKERS = {".txt": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def written(folder: Path, data: bytes, name: str = "corpus.txt") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def joined(texts: list[str]) -> str:
    """As the files of a corpus are: a line end after each but the last that lacks one."""
    words = ""
    for number, text in enumerate(texts):
        words += "\n" * (number > 0 and words[-1:] not in ("", "\n", "\r")) + text
    return words


@given(st.lists(st.text(), min_size=1, max_size=3), st.integers(1, 7), st.sampled_from(sorted(PACKERS)))
@example([ODD, "\ufeff", "e\u0301\r"], 3, ".txt")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_texts_are_read_as_they_are_one_after_the_other(tmp_path, monkeypatch, texts, block, suffix):
    """In blocks of any size, so that characters are cut anywhere, plain or compressed."""
    monkeypatch.setattr(source, "BLOCK", block)
    pack, words = PACKERS[suffix], joined(texts)
    paths = [written(tmp_path, pack(part.encode()), f"{i}{suffix}") for i, part in enumerate(texts)]
    read = corpus.load(paths)
    assert read.vocabulary.decode(read.ids) == words
    assert read.vocabulary.text == "".join(sorted(set(words)))
    assert read.sha256 == corpus.from_text(words).sha256


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_compressed_files_that_are_cut_short(tmp_path, suffix):
    with pytest.raises(TextError, match=f"a{suffix} cannot be read"):
        corpus.load([written(tmp_path, PACKERS[suffix](ODD.encode())[:-5], f"a{suffix}")])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of the peak")
@pytest.mark.parametrize("suffix", [".txt", ".gz"])
def test_memory_is_two_bytes_a_character_though_the_last_ones_widen_the_ids(tmp_path, suffix):
    size = 100_000_000
    wide = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    pack = {".txt": bytes, ".gz": lambda data: gzip.compress(data, 1)}[suffix]
    small = written(tmp_path, pack(wide.encode()), f"small{suffix}")
    large = written(tmp_path, pack(b"a" * size + wide.encode()), f"large{suffix}")
    bytes_a_character = (peak(large) - peak(small)) / size
    assert 1.9 < bytes_a_character < 2.5


def peak(path: Path) -> int:
    """The most bytes a fresh process held while it loaded a corpus."""
    code = """
import pathlib, re, sys
from charrnn.text import corpus
corpus.load([pathlib.Path(sys.argv[1])])
print(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""
    command = [sys.executable, "-c", code, str(path)]
    return 1024 * int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "shift-jis"])
def test_other_encodings(tmp_path, encoding):
    words = "plain text\r\n"
    read = corpus.load([written(tmp_path, words.encode(encoding))], encoding)
    assert read.vocabulary.decode(read.ids) == words


@given(st.binary().filter(lambda data: not packer(data)), st.integers(1, 7))
@example(bytes(range(256)) + "é".encode(), 100)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_of_any_file_come_back_as_they_were(tmp_path, monkeypatch, data, block):
    monkeypatch.setattr(source, "BLOCK", block)
    read = corpus.load([written(tmp_path, data)], level="byte")
    np.testing.assert_array_equal(read.ids, np.frombuffer(data, np.uint8))
    assert to_bytes(read.vocabulary.decode(read.ids)) == data


@pytest.mark.parametrize("size, itemsize", [(256, 1), (257, 2), (65536, 2), (65537, 4)])
@pytest.mark.parametrize("block", [999, source.BLOCK])
def test_ids_grow_with_the_vocabulary(tmp_path, monkeypatch, size, itemsize, block):
    monkeypatch.setattr(source, "BLOCK", block)
    words = "".join(map(chr, range(0x10000, 0x10000 + size))) * 2
    read = corpus.load([written(tmp_path, words.encode())])
    assert read.ids.dtype.itemsize == itemsize
    assert read.vocabulary.decode(read.ids) == words


@given(st.binary().filter(lambda data: b"\xff" not in data), st.text(), st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_invalid_utf8_is_reported_where_it_is(tmp_path, monkeypatch, tail, before, block):
    """Byte 0xff is valid nowhere in UTF-8, and all before it is."""
    monkeypatch.setattr(source, "BLOCK", block)
    head = before.encode()
    with pytest.raises(TextError) as caught:
        corpus.load([written(tmp_path, head + b"\xff" + tail)])
    where = f"corpus.txt is not valid UTF-8: byte 0xff at offset {len(head)} (line {head.count(10) + 1})"
    assert where in str(caught.value)


@pytest.mark.parametrize(
    "data, where",
    [
        (b"abc\n\xe9t\xe9", "0xe9 at offset 4 (line 2)"),
        (b"\xed\xa0\x80", "0xed at offset 0 (line 1)"),  # a surrogate
        (b"ok\xc3", "0xc3 at offset 2 (line 1)"),  # cut short
        (b"\xc0\x80", "0xc0 at offset 0 (line 1)"),  # NUL written too long
    ],
)
@pytest.mark.parametrize("block", [1, 2, 1000])
def test_kinds_of_invalid_utf8(tmp_path, monkeypatch, data, where, block):
    monkeypatch.setattr(source, "BLOCK", block)
    with pytest.raises(TextError) as caught:
        corpus.load([written(tmp_path, data)])
    assert where in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(TextError, match=r"no file .*nowhere\.txt"):
        corpus.load([tmp_path / "nowhere.txt"])
    with pytest.raises(TextError, match="folder"):
        corpus.load([tmp_path])
    with pytest.raises(TextError, match="no encoding 'klingon'"):
        corpus.load([written(tmp_path, b"a")], "klingon")


@pytest.mark.parametrize("block", [1, 2, 1000])
def test_a_second_text_is_read_in_the_first_ones_vocabulary(tmp_path, monkeypatch, block):
    monkeypatch.setattr(source, "BLOCK", block)
    path, vocabulary = written(tmp_path, b"cab!ba?"), Vocabulary.of("abc")
    ids, skipped = corpus.encode(path, vocabulary, unknown="skip")
    assert (vocabulary.decode(ids), skipped) == ("cabba", 2)


@given(st.text("abé\n"), st.text(), st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_second_texts_unknown_character_is_found_where_it_is(tmp_path, monkeypatch, before, after, block):
    monkeypatch.setattr(source, "BLOCK", block)
    path, vocabulary = written(tmp_path, (before + "漢" + after).encode()), Vocabulary.of("abé\n")
    with pytest.raises(TextError) as caught:
        corpus.encode(path, vocabulary)
    line = before.count("\n") + 1
    assert "corpus.txt has characters that the model never saw in training: '漢' (U+6F22)" in str(
        caught.value
    )
    assert f"first at character {len(before)} (line {line})" in str(caught.value)
    ids, skipped = corpus.encode(path, vocabulary, unknown="skip")
    kept = [character for character in before + after if character in "abé\n"]
    assert vocabulary.decode(ids) == "".join(kept)
    assert skipped == len(before + after) + 1 - len(kept)


def test_what_stands_for_bytes_that_are_no_text_can_be_left_out(tmp_path):
    path, vocabulary = written(tmp_path, b"ab\xffc"), Vocabulary.of("abc")
    with pytest.raises(TextError, match='skip undecodable bytes with encoding_errors="skip"'):
        corpus.encode(path, vocabulary, errors="replace")
    assert vocabulary.decode(corpus.encode(path, vocabulary, errors="skip")[0]) == "abc"


def test_a_second_texts_ids_are_those_of_the_whole_vocabulary(tmp_path):
    vocabulary = Vocabulary.of("".join(map(chr, range(300))))
    ids, _ = corpus.encode(written(tmp_path, b"a"), vocabulary)
    assert ids.tolist() == [97]
    assert ids.dtype == np.uint16
