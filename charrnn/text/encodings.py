"""Guess the encoding of a block of bytes: one that decodes it to text that people write."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable

MARKS = {  # longer ones first: the mark of UTF-32-LE begins with that of UTF-16-LE
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
WIDE_FAMILY = ("utf-16", "utf-32", *WIDE)
DISGUISED = (*WIDE_FAMILY, "iso2022_jp")
WITHOUT_MARK = {"utf-8": "utf-8-sig", **{name: name[:6] for name in WIDE}}
JIS = (b"\x1b$B", b"\x1b$@")  # escapes that switch ISO-2022-JP from ASCII to Japanese
LOOKED_AT = 4096  # bytes and characters examined
ODD = 0.04  # share of control characters above which the bytes may be UTF-16 or UTF-32
FLAWED = 0.02  # share of flaws above which a text is implausible
# the most frequent letters
RUSSIAN = "\u043e\u0435\u0430\u0438\u043d\u0442\u0441\u0440\u0432\u043b\u0456"
GREEK = "\u03b1\u03bf\u03b9\u03b5\u03c4\u03c3\u03bd\u03b7\u03c5\u03c1\u03c0\u03ba\u03c2"
HEBREW = "\u05d9\u05d4\u05d5\u05dc\u05d0\u05de\u05e8\u05ea\u05d1\u05e9\u05e0\u05dd\u05d3"
THAI = "\u0e32\u0e19\u0e23\u0e01\u0e40\u0e07\u0e2d\u0e21\u0e22\u0e25\u0e27\u0e17"
COMMON = frozenset(" \n\t.,\u3000\u3001\u3002\uff0c" + "aeiontrs" + "\u0430\u0435\u0438\u043e")
CONTROLS = re.compile(rb"[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
USED_CONTROLS = "\n\t\r\f\b\x1a\x1b"
INSIDE = "\u2019\u2013\u2014\u2026\u00b7\u00ad"  # plausible between two letters


def without_mark(encoding: str) -> str:
    """Return the variant of an encoding that drops the byte order mark, or an empty string."""
    return WITHOUT_MARK.get(codecs.lookup(encoding).name, "") if encoding else ""


def disguised(head: bytes) -> str:
    """Return the name of an encoding whose bytes may also be valid UTF-8, or an empty string.

    These are UTF-16 and UTF-32, with or without a mark, and ISO-2022-JP.
    """
    for mark, name in MARKS.items():
        if head.startswith(mark) and decoded(head, name) is not None:
            return name
    if any(escape in head for escape in JIS):
        return "iso-2022-jp" if decoded(head, "iso-2022-jp") is not None else ""
    part = head[:LOOKED_AT]
    every_second = len(part) > 3 and (not any(part[1::2]) or not any(part[::2]))
    if (len(part) < 16 and not every_second) or len(CONTROLS.findall(part)) < ODD * len(part):
        return ""
    texts = {name: decoded(part, name) for name in WIDE}
    found = {name: text for name, text in texts.items() if text and flaws(text) <= FLAWED * len(text)}
    return max(found, key=lambda name: sum(c in COMMON for c in found[name]), default="")


def decoded(block: bytes, encoding: str) -> str | None:
    """Decode a block whose last character may be cut off; return None if it is not in this encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(block)
    except UnicodeError:
        return None


def flaws(text: str) -> int:
    """Count what people hardly ever write.

    Counted are control and unassigned characters, a capital after a small letter, a symbol between two cased
    letters, and letters of two alphabets in one word.
    """
    count = 0
    for before, c, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs"):
            count += c not in USED_CONTROLS
        elif _cased(before) and not (before + c).isascii():
            if _cased(c):
                count += (before.islower() and c.isupper()) or _alphabet(before) != _alphabet(c)
            else:
                count += _cased(after) and not c.isascii() and not c.isalpha() and c not in INSIDE
    return count


def _cased(c: str) -> bool:
    return c.islower() or c.isupper()


def _alphabet(c: str) -> str:
    return unicodedata.name(c, "").partition(" ")[0]


def _share(*scripts: str, least: float, common: str = "") -> Callable[[str], bool]:
    """Return a check that enough of the non-ASCII letters are of these scripts, and half are common ones."""

    def check(text: str) -> bool:
        letters = [c for c in text if c.isalpha() and not c.isascii()]
        frequent = sum(c in common for c in letters) if common else len(letters)
        theirs = sum(_alphabet(c) in scripts for c in letters)
        return theirs >= least * len(letters) and 2 * frequent >= len(letters)

    return check


def _western(text: str) -> bool:
    """Check that letters with accents are Latin and a minority."""
    letters = [c for c in text if c.isalpha()]
    beyond = [c for c in letters if not c.isascii()]
    return len(beyond) <= 0.35 * len(letters) and all(
        _alphabet(c) in ("LATIN", "FEMININE", "MASCULINE") for c in beyond
    )


# in the order they are tried: the easiest to tell apart first
CANDIDATES: dict[str, Callable[[str], bool]] = {
    "utf-8": lambda text: True,
    "cp1252": _western,
    "cp1250": _western,
    "mac-roman": _western,
    "cp850": _western,
    "shift-jis": _share("HIRAGANA", "KATAKANA", least=0.25),
    "euc-jp": _share("HIRAGANA", "KATAKANA", least=0.25),
    "euc-kr": _share("HANGUL", least=0.95),
    "gb18030": lambda text: _common_hanzi(text, "gb2312"),
    "big5": lambda text: _common_hanzi(text, "big5"),
    **dict.fromkeys(
        ("cp1251", "koi8-r", "cp866", "iso8859-5"), _share("CYRILLIC", least=0.98, common=RUSSIAN)
    ),
    "cp1255": _share("HEBREW", least=0.98, common=HEBREW),
    "cp1253": _share("GREEK", least=0.98, common=GREEK),
    "cp874": _share("THAI", least=0.98, common=THAI),
}


def _common_hanzi(text: str, old: str) -> bool:
    """Check that most characters are in the first part of an older set, which holds the common ones."""
    letters = [c for c in text if c.isalpha() and not c.isascii()]
    codes = [c.encode(old, "ignore") for c in letters]
    first, last = (0xB0, 0xD7) if old == "gb2312" else (0xA4, 0xC6)
    common = sum(first <= code[0] <= last for code in codes if code)
    return len(letters) > 0 and common >= 0.85 * len(letters)


def fitting(block: bytes, at: int, but: str) -> str:
    """Return an encoding that decodes a block to plausible text, or an empty string.

    at: where decoding with the encoding `but` failed; the text around it is examined.
    """
    asked = codecs.lookup(but).name
    if asked in ("utf-8", "utf-8-sig"):
        right = sum(not c.isascii() for c in block.decode("utf-8", "ignore"))
        if right > block.decode("utf-8", "replace").count("\ufffd") - block.count(b"\xef\xbf\xbd"):
            return ""  # mostly UTF-8, with a few invalid bytes
    if name := disguised(block):
        return name if codecs.lookup(name).name != asked else ""
    for name, is_plausible in CANDIDATES.items():
        text = decoded(block, name) if codecs.lookup(name).name != asked else None
        if text is None:
            continue
        begin = max(0, len(decoded(block[:at], name) or "") - LOOKED_AT // 2)
        part = text[begin : begin + LOOKED_AT]
        beyond = sum(not c.isascii() for c in part)
        if name == "utf-8" or (is_plausible(part) and flaws(part) <= FLAWED * beyond):
            return name
    return ""
