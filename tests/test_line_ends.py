"""Line ends, marks and forms of other systems: kept and said; files do not run together."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from languages import PLAIN
from reading import printed, read, written

from charrnn.checkpoint import reading
from charrnn.errors import TextError
from charrnn.inspection import explanation
from charrnn.system.terminal import LegibleStream
from charrnn.text import corpus, source
from charrnn.text.notes import Notes
from charrnn.text.vocabulary import Vocabulary


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32-be", "latin-1"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_other_systems_line_ends_are_kept_and_the_command_is_rid_of_them(tmp_path, encoding, pack):
    for end, found in (("\r\n", r"\r\n"), ("\r", r"\r")):
        text = PLAIN.replace("\n", end)
        path = written(tmp_path, pack(text.encode(encoding)))
        kept, (note,) = read(path, encoding=encoding)
        assert kept == text and f"x.txt has {found} line ends, which are kept; " in note
        assert printed(note.partition("to \\n: ")[2]) == PLAIN.encode()


@pytest.mark.parametrize("block", [1, 2, 1000])
def test_a_line_end_that_is_cut_is_seen_and_one_return_in_a_line_is_none(tmp_path, monkeypatch, block):
    monkeypatch.setattr(source, "BLOCK", block)
    assert len(read(written(tmp_path, b"abc\r\ndef"))[1]) == 1
    assert read(written(tmp_path, b"10 %\r20 %\n"))[1] == []
    assert len(read(written(tmp_path, b"abc\r\ndef"), level="byte")[1]) == 1


@pytest.mark.parametrize(
    "encoding, without", [("utf-8", "utf-8-sig"), ("utf-16-le", "utf-16"), ("utf-32-be", "utf-32")]
)
def test_a_byte_order_mark_is_kept_and_said(tmp_path, encoding, without):
    path = written(tmp_path, ("\ufeff" + PLAIN).encode(encoding))
    text, (note,) = read(path, encoding=encoding)
    assert text == "\ufeff" + PLAIN and f"\0encoding={without}\0 removes it" in note
    assert read(path, encoding=without) == (PLAIN, [])


def test_a_byte_order_mark_among_bytes_is_kept_and_the_command_is_rid_of_it(tmp_path):
    text, (note,) = read(written(tmp_path, b"\xef\xbb\xbf" + PLAIN.encode()), level="byte")
    assert text == "\ufeff" + PLAIN
    assert printed(note.partition("to remove it: ")[2]) == PLAIN.encode()


def load(paths: list[Path], **options: str) -> tuple[str, str, list[str]]:
    notes = Notes()
    found = corpus.load(paths, notes=notes, **options)  # type: ignore[arg-type]
    return found.vocabulary.decode(found.ids), found.sha256, [*notes]


def test_files_without_a_final_line_end_do_not_run_together(tmp_path):
    a, b, c, d = (written(tmp_path, data, f"{data!r}") for data in (b"THE END", b"Roses\n", b"", b"are red"))
    text, digest, (note,) = load([a, b, c, d])
    assert text == "THE END\nRoses\nare red" and digest == corpus.from_text(text).sha256
    assert "has no final line end" in note and "\0join=nothing\0" in note
    text, digest, notes = load([a, b, d], join="nothing")
    assert (text, digest, notes) == ("THE ENDRoses\nare red", corpus.from_text(text).sha256, [])
    text, _, (note,) = load([a, b, d], level="byte")
    assert text == "THE ENDRoses\nare red" and "bytes are read unchanged" in note
    assert load([a]) == ("THE END", corpus.from_text("THE END").sha256, [])
    assert load([b, a])[2] == []


def test_a_note_that_holds_for_many_files_is_said_once(tmp_path):
    paths = [written(tmp_path, b"a\r\n", f"{number}") for number in range(5)]
    (note,) = load(paths)[2]
    assert f"{tmp_path}/0 has " in note and note.endswith("(likewise for 4 more files)")


COMPOSED, DECOMPOSED = "caf\u00e9 \uac00\n", "cafe\u0301 \u1100\u1161\n"


@pytest.mark.parametrize("known, text, form", [(COMPOSED, DECOMPOSED, "NFC"), (DECOMPOSED, COMPOSED, "NFD")])
@pytest.mark.parametrize("part", [slice(0, 5), slice(5, None), slice(None)])
def test_the_form_of_a_character_that_the_model_knows_is_named(tmp_path, known, text, form, part):
    vocabulary, path = Vocabulary.of(known), written(tmp_path, text[part].encode())
    with pytest.raises(TextError, match=rf"form \({form}\), which the model knows") as caught:
        corpus.encode(path, vocabulary)
    command = str(caught.value).partition("the model knows: ")[2].partition(", or skip")[0]
    converted = written(tmp_path, printed(command.replace("FILE", str(path))), "converted")
    assert corpus.encode(converted, vocabulary)[1] == 0
    with pytest.raises(TextError, match=form):
        vocabulary.encode(text[part], "the prime")


def test_a_mark_whose_letter_the_model_knows_is_part_of_a_character_that_it_knows():
    with pytest.raises(TextError, match=r"U\+0301.*form \(NFC\), which the model knows"):
        Vocabulary.of("the caf\u00e9").encode("cafe\u0301")


@pytest.mark.parametrize("text", ["x\u0301", "\u0301", "\u00e8", "e\u0302", "\u6f22", "\U0001f600"])
def test_no_form_is_named_where_none_is_known(text):
    with pytest.raises(TextError, match="never saw") as caught:
        Vocabulary.of("abcdefx\u00e9\n").encode(text)
    assert "NF" not in str(caught.value)


def test_what_a_model_of_plain_line_ends_is_given_is_said(tmp_path):
    vocabulary = Vocabulary.of(PLAIN)
    with pytest.raises(TextError, match=r"tr -d '\\r'"):
        corpus.encode(written(tmp_path, b"was\r\nit"), vocabulary)
    marked = written(tmp_path, b"\xef\xbb\xbfIt was")
    with pytest.raises(TextError, match='encoding="utf-8-sig"'):
        corpus.encode(marked, vocabulary)
    assert corpus.encode(marked, vocabulary, "utf-8-sig")[1] == 0


def test_a_text_to_explain_is_looked_at_too(tmp_path, saved):
    model, notes = reading.load(saved), Notes()
    found = explanation.read(written(tmp_path, b"ab\xffca\n"), model, errors="skip", notes=notes)
    assert found.ids.tolist() == [1, 2, 3, 1, 0] and len([*notes]) == 1
    with pytest.raises(TextError, match="PDF"):
        explanation.read(written(tmp_path, b"%PDF-1.4\n"), model)


@pytest.mark.parametrize(
    "parts, shown",
    [
        (["a\r\nb"], "a\nb"),
        (["a\r", "\nb"], "a\nb"),
        (["a\r", "", "b\r"], "a\\rb\\r"),
        (["a\r\r", "\n"], "a\\r\n"),
        (["\r", "\r\n\n"], "\\r\n\n"),
        (["\x1b[2J\r"], "\\x1b[2J\\r"),
    ],
)
def test_a_line_end_that_comes_in_two_parts_is_one_on_a_terminal(parts, shown):
    stream = LegibleStream()
    assert "".join(map(stream.show, parts)) + stream.show("", last=True) == shown
