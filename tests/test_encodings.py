"""Encodings: the one that fits is named, none that does not; bad bytes have a lenient way."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from languages import (
    CHINESE,
    GERMAN,
    GREEK,
    HEBREW,
    JAPANESE,
    KOREAN,
    PLAIN,
    POLISH,
    RUSSIAN,
    TAIWAN,
    WESTERN,
)
from reading import read, refusal, written

from charrnn import config
from charrnn.errors import TextError, UsageError
from charrnn.text import corpus, source
from charrnn.text.encodings import disguised, fitting

WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("text", [PLAIN, WESTERN, RUSSIAN, CHINESE, JAPANESE, KOREAN, GREEK])
@pytest.mark.parametrize("encoding", [*WIDE, "utf-16", "utf-32"])
def test_wide_characters_are_noticed_with_and_without_a_mark(tmp_path, text, encoding):
    path = written(tmp_path, text.encode(encoding))
    assert refusal(path).endswith(f'not UTF-8; use encoding="{encoding}"')
    assert read(path, encoding=encoding) == (text, [])


def test_iso_2022_jp_is_noticed_though_all_of_it_is_ascii(tmp_path):
    path = written(tmp_path, JAPANESE.encode("iso-2022-jp"))
    assert 'not UTF-8; use encoding="iso-2022-jp"' in refusal(path)
    assert read(path, encoding="iso-2022-jp") == (JAPANESE, [])


@pytest.mark.parametrize("text", ["a\0b\n" * 30 + PLAIN * 5, "\x1b[31mred\x1b[0m\n" * 40, "\x0c\n" * 40])
def test_texts_with_some_controls_are_texts(tmp_path, text):
    assert read(written(tmp_path, text.encode())) == (text, [])


FITTING = [
    (WESTERN, "cp1252"),
    (GERMAN, "cp1252"),
    (WESTERN, "mac-roman"),
    (GERMAN, "cp850"),
    (POLISH, "cp1250"),
    (RUSSIAN, "cp1251"),
    (RUSSIAN, "koi8-r"),
    (RUSSIAN, "cp866"),
    (RUSSIAN, "iso8859-5"),
    (GREEK, "cp1253"),
    (HEBREW, "cp1255"),
    (CHINESE, "gb18030"),
    (TAIWAN, "big5"),
    (JAPANESE, "shift-jis"),
    (JAPANESE, "euc-jp"),
    (KOREAN, "euc-kr"),
]


@pytest.mark.parametrize("text, encoding", FITTING)
def test_the_encoding_that_is_advised_reads_the_text(tmp_path, text, encoding):
    path = written(tmp_path, (PLAIN if text in (WESTERN, GERMAN) else "").encode() + text.encode(encoding))
    message = refusal(path)
    assert f'try encoding="{encoding}", or' in message and 'encoding_errors="replace"' in message
    assert read(path, encoding=encoding)[0].endswith(text)


@pytest.mark.parametrize(
    "data",
    [
        (WESTERN * 9).encode() + b"\xff" + WESTERN.encode(),  # one bad byte in what is UTF-8 otherwise
        WESTERN.encode() + "\u20ac".encode()[:2],  # cut short
        bytes((i * 7919 + i * i * 31) % 256 for i in range(5000)),
    ],
)
def test_no_encoding_is_advised_where_none_is_plausible(tmp_path, data):
    message = refusal(written(tmp_path, data))
    assert "try encoding" not in message and message.endswith(
        'replace such bytes with encoding_errors="replace"'
    )


def test_an_encoding_that_reads_utf8_as_something_else_is_said(tmp_path):
    path = written(tmp_path, WESTERN.encode())
    assert "x.txt is also valid UTF-8; it is read as LATIN-1" in read(path, encoding="latin-1")[1][0]
    assert 'try encoding="utf-8"' in refusal(path, encoding="ascii")


@given(st.lists(st.sampled_from([b"a", "\u00e9".encode(), b"\xff", b"\xc3", b"\xe2\x80"])), st.integers(1, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bad_bytes_are_replaced_or_skipped_as_python_does_and_counted(tmp_path, monkeypatch, parts, block):
    """In blocks of any size; letters are far between, so that nothing else is guessed."""
    monkeypatch.setattr(source, "BLOCK", block)
    data = b"begin\n" + b"".join(parts)
    path = written(tmp_path, data)
    skipped, notes = read(path, errors="skip")
    assert skipped == data.decode("utf-8", "ignore")
    assert read(path, errors="replace")[0] == data.decode("utf-8", "replace")
    bad = len(data) - len(skipped.encode())
    said = f"{path}: {bad} byte{'s were' if bad > 1 else ' was'} not valid UTF-8 and skipped"
    assert [note for note in notes if "not valid UTF-8" in note] == [said] * (bad > 0)


@pytest.mark.parametrize(
    "encoding, data", [("utf-16-le", b"a\0\0\xdcb\0"), ("shift-jis", b"\x82\xa0\xff"), ("ascii", b"a\xe9")]
)
def test_bad_bytes_of_other_encodings_are_replaced(tmp_path, encoding, data):
    text, (note,) = read(written(tmp_path, data), encoding=encoding, errors="replace")
    assert text == data.decode(encoding, "replace")
    assert f"not valid {encoding.upper()} and replaced by U+FFFD" in note


@pytest.mark.parametrize("kind", [config.TrainConfig, config.EvalConfig])
def test_other_ways_are_refused(kind):
    with pytest.raises(UsageError, match="strict, replace, skip"):
        kind(encoding_errors="ignore")


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_short_text_of_wide_characters_is_noticed(name):
    assert disguised("hello\n".encode(name)) == name
    assert disguised(b"ab\0c\0d") == ""


@pytest.mark.parametrize(
    "asked, written", [("utf-16-be", "utf-16-le"), ("utf-16", "utf-16-le"), ("utf-32", "utf-32-be")]
)
def test_the_other_order_of_bytes_is_noticed(asked, written, tmp_path):
    (tmp_path / "text").write_bytes(("What is written here is plain.\n" * 9).encode(written))
    with pytest.raises(TextError, match=f'encoding="{written}"'):
        corpus.load([tmp_path / "text"], asked)


def test_utf8_with_a_few_bad_bytes_is_not_taken_for_another_encoding():
    text = "caf\u00e9 \u201cq\u201d\n".encode() * 500 + b"plain ascii here\n" * 400 + b"don\x92t\n"
    assert fitting(text, text.index(b"\x92"), "utf-8") == ""
    assert fitting(b"it is here, and don\x92t move\n" * 9, 19, "utf-8") == "cp1252"
