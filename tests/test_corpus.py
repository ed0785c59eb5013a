"""Reading files: nothing is lost, whatever their size and wrapping, and every error says where."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn import corpus
from charrnn.errors import TextError
from charrnn.text import Vocabulary

ODD = "\0\r\n\n\r\ufeff\u2028\x1a é漢\U0001f600\U0001f3fd\U0010ffff"


def written(folder: Path, data: bytes, name: str = "corpus.txt") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@given(st.text(), st.integers(1, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_as_it_is_in_blocks_of_any_size(tmp_path, monkeypatch, words, block):
    monkeypatch.setattr(corpus, "BLOCK", block)
    read = corpus.load([written(tmp_path, words.encode())])
    assert read.vocabulary.decode(read.ids) == words
    assert read.vocabulary.text == "".join(sorted(set(words)))
    assert read.sha256 == corpus.from_text(words).sha256


@pytest.mark.parametrize(
    "name, pack", [("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)]
)
def test_compressed_files(tmp_path, name, pack):
    read = corpus.load([written(tmp_path, pack(ODD.encode()), name)])
    assert read.vocabulary.decode(read.ids) == ODD
    with pytest.raises(TextError, match=f"{name} cannot be read"):
        corpus.load([written(tmp_path, pack(ODD.encode())[:-5], name)])


def test_files_are_joined(tmp_path):
    read = corpus.load([written(tmp_path, b"one\r\n", "1"), written(tmp_path, b"two", "2")])
    assert read.vocabulary.decode(read.ids) == "one\r\ntwo"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "shift-jis"])
def test_other_encodings(tmp_path, encoding):
    words = "plain text\r\n"
    read = corpus.load([written(tmp_path, words.encode(encoding))], encoding)
    assert read.vocabulary.decode(read.ids) == words


def test_bytes_of_any_file_come_back_as_they_were(tmp_path):
    from charrnn.text import to_bytes

    data = bytes(range(256)) + "é".encode()
    read = corpus.load([written(tmp_path, data)], level="byte")
    np.testing.assert_array_equal(read.ids, np.frombuffer(data, np.uint8))
    assert to_bytes(read.vocabulary.decode(read.ids)) == data


@pytest.mark.parametrize("size, itemsize", [(256, 1), (257, 2), (65536, 2), (65537, 4)])
def test_ids_grow_with_the_vocabulary(tmp_path, size, itemsize):
    words = "".join(map(chr, range(0x10000, 0x10000 + size))) * 2
    read = corpus.load([written(tmp_path, words.encode())])
    assert read.ids.dtype.itemsize == itemsize
    assert read.vocabulary.decode(read.ids) == words


@given(st.binary().filter(lambda data: b"\xff" not in data), st.text(), st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_invalid_utf8_is_reported_where_it_is(tmp_path, monkeypatch, tail, before, block):
    """Byte 0xff is valid nowhere in UTF-8, and all before it is."""
    monkeypatch.setattr(corpus, "BLOCK", block)
    head = before.encode()
    with pytest.raises(TextError) as caught:
        corpus.load([written(tmp_path, head + b"\xff" + tail)])
    where = f"corpus.txt is not UTF-8: byte 0xff at offset {len(head)} (line {head.count(10) + 1})"
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
    monkeypatch.setattr(corpus, "BLOCK", block)
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


def test_a_second_text_is_read_in_the_first_ones_vocabulary(tmp_path):
    path, vocabulary = written(tmp_path, b"cab!ba?"), Vocabulary.of("abc")
    with pytest.raises(TextError, match=r"corpus.txt has characters .*'!'.*'\?'.* first at character 3"):
        corpus.encode(path, vocabulary)
    ids, skipped = corpus.encode(path, vocabulary, unknown="skip")
    assert (vocabulary.decode(ids), skipped) == ("cabba", 2)
