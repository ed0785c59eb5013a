"""What a terminal is shown: every script and the newest emoji as they are, and nothing that steers it."""

from __future__ import annotations

import unicodedata

import pytest

from charrnn.system.terminal import LegibleStream, visible, whole

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
TEXAS = "\U0001f3f4\U000e0075\U000e0073\U000e0074\U000e0078\U000e007f"
FINE = {
    "an emoji of 2010": "\U0001f600",
    "emoji of Unicode 14": "\U0001fae0\U0001faf6",
    "emoji of Unicode 15": "\U0001fae8\U0001fabf\U0001fadb\U0001f6dc",  # shaking face, goose, pea, wireless
    "emoji of Unicode 16": "\U0001fae9\U0001fac6\U0001fabe\U0001fadf",  # bags under the eyes, fingerprint
    "an emoji of Unicode 17": "\U0001faea\U0001facd",
    "one that is not yet": "\U0001fa7f",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "a skin": "\U0001f44d\U0001f3fd",
    "a heart, as an emoji and as a sign": "\u2764\ufe0f\u2764\ufe0e",
    "a keycap": "1\ufe0f\u20e3",
    "a rainbow flag": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "flags of countries": "\U0001f1eb\U0001f1f7\U0001f1ef\U0001f1f5",
    "flags of a country's parts": f"a{ENGLAND}b{TEXAS}{ENGLAND}c",
    "a black flag": "\U0001f3f4 and \U0001f3f4\u200d\u2620\ufe0f",
    "variants of ideographs": "\u845b\U000e0100",
    "ideographs of Unicode 15 and 16": "\U00031350\U0002ebf0",
    "ideographs that are not yet": "\U00033480",
    "Hebrew with marks of direction": "\u05e9\u05dc\u05d5\u05dd\u200f! C++\u200e",
    "Arabic with its mark": "\u0645\u0631\u062d\u0628\u0627\u061c 3-4",
    "an Arabic sign before a number": "\u06dd\u0661\u0662 \u0600\u0661",
    "Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "Hindi": "\u0915\u094d\u200d\u0937",
    "Mongolian": "\u1820\u180e\u1820\u180b",
    "spaces": "\u00a0\u3000\u2009\u202f",
    "accents": "e\u0301 Z\u0351\u036b",
}
ODD = {
    "an escape": "\x1b",
    "a bell, a delete": "\x07\x7f",
    "C1": "\x85\x9b",
    "a carriage return": "\r",
    "embeddings and overrides": "\u202a\u202b\u202c\u202d\u202e",
    "isolates": "\u2066\u2067\u2068\u2069",
    "deprecated format characters": "\u206a\u206f",
    "invisible mathematics": "\u2061\u2064",
    "a zero-width space": "\u200b",
    "a word joiner": "\u2060",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "annotations": "\ufff9\ufffb",
    "private": "\ue000\U000f0000\U0010ffff",
    "lone surrogates": "\ud800\udfff",
    "no characters": "\ufdd0\uffff\U0001ffff\U0003fffe",
    "unassigned, and not seen": "\u2065\ufff0\U000e0fff",
    "odd line ends": "\u2028\u2029",
    "musical format": "\U0001d173",
    "a text hidden in tags": "\U000e0068\U000e0069",
    "a tag that tells a language": "\U000e0001",
    "an end without a flag": "\U000e007f",
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE.keys())
def test_what_texts_need_is_shown(text):
    assert visible(text) == text
    assert visible(f"{text}\x1b{text}") == f"{text}\\x1b{text}"


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_what_steers_or_deceives_is_escaped(text):
    for character in text:
        shown = visible(f"a{character}b")
        assert shown[:2] == "a\\" and shown[-1] == "b"
        assert shown.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f3f4\U000e0067\U000e0062",  # cut short
        "\U0001f3f4\U000e007f",  # of nothing
        "\U0001f3f4" + "\U000e0061" * 7 + "\U000e007f",  # too long for a flag
        "\U0001f600\U000e0067\U000e0062\U000e0065\U000e007f",  # on what is no flag
        "\U0001f3f4\U000e0067\U000e0062 \U000e0065\U000e006e\U000e007f",
        "\U0001f3f4\U000e0041\U000e0042\U000e0043\U000e007f",  # capitals, which no flag has
    ],
    ids=ascii,
)
def test_tags_that_are_no_flag_are_escaped(text):
    for beside in ("", ENGLAND):
        shown = visible(beside + text + beside)
        assert not any(0xE0000 <= ord(c) < 0xE0080 for c in shown.replace(ENGLAND, ""))
        assert "\\U000e00" in shown
        assert shown.count(ENGLAND) == 2 * bool(beside)


def test_every_character_is_shown_or_escaped_by_its_category():
    """Independently of str.isprintable; in steps where ranges are wide."""
    shown_too = set("\u200c\u200d\u200e\u200f\u061c\u180e\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
    shown_too |= {chr(point) for point in range(0x600, 0x606)}

    def escaped(c: str) -> bool:
        category, plane = unicodedata.category(c), ord(c) >> 16
        if category == "Cn":
            to_come = plane in (2, 3) or 0x1F000 <= ord(c) < 0x20000
            return not to_come or ord(c) & 0xFFFF >= 0xFFFE
        return category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and c not in shown_too

    def escape(c: str) -> str:
        byte = "\udc80" <= c <= "\udcff"  # one that is no UTF-8
        return f"\\x{ord(c) & 0xFF:02x}" if byte else c.encode("unicode_escape").decode()

    points = [
        *range(0x3400),
        *range(0x3400, 0x110000, 31),
        *range(0x1EFF0, 0x20010),
        *range(0xE0000, 0xE0200),
    ]
    points += [plane * 0x10000 + last for plane in range(17) for last in (0xFFFD, 0xFFFE, 0xFFFF)]
    whole = [chr(point) for point in points]
    assert visible(" ".join(whole)) == " ".join(escape(c) if escaped(c) else c for c in whole)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_flag_comes_whole_however_a_text_is_cut(size):
    text = f"See {ENGLAND}{TEXAS}, \U0001f3f4, \U000e0061 and {ENGLAND[:-1]}!"
    screen = LegibleStream()
    shown = "".join(screen.show(text[at : at + size]) for at in range(0, len(text), size))
    assert shown + screen.show("\n") == visible(text) + "\n"
    assert shown.startswith(f"See {ENGLAND}{TEXAS}, ")


def test_little_is_held_back():
    assert whole(ENGLAND) == len(ENGLAND)
    assert whole("a" + ENGLAND[:-1]) == 1
    assert whole("\U0001f3f4" + "\U000e0061" * 7) == 8
    assert whole("ab") == 2
