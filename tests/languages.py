"""What people write, in many alphabets."""
# ruff: noqa: RUF001 (letters of other alphabets are what they seem)

from __future__ import annotations

PLAIN = "It was a quick brown fox.\nWas it? It was.\n" * 30
WESTERN = "\u201cIt\u2019s a na\u00efve caf\u00e9,\u201d she said \u2013 and left.\n" * 30
GERMAN = "Die Stra\u00dfe f\u00fchrt \u00fcber die sch\u00f6ne Br\u00fccke.\n" * 30
POLISH = "Wszystko będzie dobrze, bo ludzie są mądrzy i miło żyć.\n" * 30
RUSSIAN = "Все счастливые семьи похожи друг на друга\n" * 30
GREEK = "Όλοι οι άνθρωποι είναι ίσοι\n" * 30
HEBREW = "כל בני האדם נולדו בני חורין ושווים\n" * 30
CHINESE = "天下大势，分久必合，合久必分。\n" * 30
TAIWAN = "天下大勢，分久必合，合久必分。\n" * 30
JAPANESE = "吾輩は猫である。名前はまだ無い。\n" * 30
KOREAN = "나는 오늘 아침에 일찍 일어났다.\n" * 30
