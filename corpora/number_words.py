"""Numbers from 0 to 9,999 in words, in British English and the French of France, for make.py."""

from __future__ import annotations

SPELT = {
    "english": """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen""",
    "french": """zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze
    seize dix-sept dix-huit dix-neuf""",
    "english tens": "- - twenty thirty forty fifty sixty seventy eighty ninety",
    "french tens": "- - vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt",
}
LARGEST = 9999  # in both languages
ENGLISH, FRENCH, ENGLISH_TENS, FRENCH_TENS = (words.split() for words in SPELT.values())


def english(n: int) -> str:
    """2217: two thousand two hundred and seventeen; `and` comes before a rest below a hundred."""
    if n < 20:
        return ENGLISH[n]
    if n < 100:
        return ENGLISH_TENS[n // 10] + (f"-{ENGLISH[n % 10]}" if n % 10 else "")
    unit, word = (1000, "thousand") if n >= 1000 else (100, "hundred")
    rest = n % unit
    joint = " and " if rest < 100 else " "
    return f"{ENGLISH[n // unit]} {word}" + (joint + english(rest) if rest else "")


def french(n: int) -> str:
    """2217: deux mille deux cent dix-sept; hyphens below a hundred, an s at the end of round numbers."""
    if n < 20:
        return FRENCH[n]
    if n < 100:
        tens, rest = FRENCH_TENS[n // 10], n % 20 if n >= 60 else n % 10
        if rest in (1, 11) and n < 80:
            return f"{tens} et {FRENCH[rest]}"
        return f"{tens}-{FRENCH[rest]}" if rest else tens + "s" * (n == 80)
    unit, word = (1000, "mille") if n >= 1000 else (100, "cent")
    many, rest = n // unit, n % unit
    word += "s" * (unit == 100 and many > 1 and not rest)
    return (f"{FRENCH[many]} " if many > 1 else "") + word + (f" {french(rest)}" if rest else "")
