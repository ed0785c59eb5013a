"""The page of `charrnn explain` in a browser: what it shows is what the library computed."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
import support
from colours import contrast, luminance, painted

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.inspection.explanation import Explanation, explain
from charrnn.inspection.page import render
from charrnn.inspection.page_data import data
from charrnn.text.vocabulary import Vocabulary

pytest_plugins = ["browser"]

TEXT = 'He said: "one (two [three]), Four".\n\tAnd so on,\x1b (the End) <&amp;>\n' * 5
STEPS = 64
EVERY = "#text div > span"
HOSTILE = (
    "</script><script>window.owned = 1</script><!--<img src=x onerror='window.owned = 1'>\u2028{{script}}"
)


@pytest.fixture(scope="module")
def explained() -> Explanation:
    vocabulary = Vocabulary.of(TEXT)
    network = support.network("lstm", len(vocabulary), 12, num_layers=2, attention=8)
    return explain(Checkpoint(network, vocabulary, {}), vocabulary.encode(TEXT), "model.npz")


@pytest.fixture(scope="module")
def content(explained: Explanation) -> dict[str, Any]:
    return data(explained)


def expect_colours(page: Any, positions: list[float | None]) -> None:
    """Each character has the legend's colour at its position on the scale, 0 to 1; None: it has none."""
    ramp = [ground for _, ground in painted(page, "#ramp span")]
    shown = [ground for _, ground in painted(page, EVERY)]
    assert len(ramp) == STEPS + 1 and len(shown) == len(positions)
    for number, (ground, position) in enumerate(zip(shown, positions, strict=True)):
        # half a step of rounding, and half a byte's
        near = {() if position is None else ramp[k] for k in range(STEPS + 1) if close(k, position)}
        assert ground in near, (number, position)


def close(step: int, position: float | None) -> bool:
    return position is None or abs(step - position * STEPS) <= 0.5 + STEPS / 510 + 1e-6


def choose_unit(page: Any, layer: int, signal: str, unit: int) -> None:
    page.get_by_role("radio", name="A unit").check()
    page.locator("#layer").select_option(str(layer))
    page.locator("#signal").select_option(signal)
    page.locator("#unit").fill(str(unit))
    page.get_by_text(f"Layer {layer}, unit {unit}, {signal}").wait_for()
    page.locator("#activation").wait_for()


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text.replace("\u2212", "-"))]


def test_hovering_shows_the_guesses_of_the_library(show, explained, content):
    page, named = show(content), {" ": "␣ space", "\n": "↵ newline", "\t": "⇥ tab"}
    for at in (1, 5, 36, 37, 48, 60):
        page.locator(EVERY).nth(at).hover()
        rows = page.locator("#guesses li").evaluate_all(
            "rows => rows.map(r => [...r.children].map(c => c.textContent))"
        )
        expected = explained.guesses[at]
        for (name, _, share), (char, chance) in zip(rows[:5], expected, strict=True):
            assert name == named.get(char, r"\x1b" if char == "\x1b" else char)
            assert numbers(share)[0] / 100 == pytest.approx(
                chance, abs=1.01e-4
            )  # 4 decimals in the file, 2 of %
        assert len(rows) == 5 + (TEXT[at] not in dict(expected))
        bits, percent, *_ = numbers(page.locator("#cost").inner_text())
        assert bits == pytest.approx(explained.bits[at], abs=0.0051)
        assert percent == pytest.approx(100 * 2 ** -explained.bits[at], abs=0.0051)
        assert page.locator("#guesses .came").count() == 1
    page.locator(EVERY).first.hover()
    assert "nothing precedes it" in page.locator("#cost").inner_text()


def test_surprise_colours_the_text(show, explained, content):
    page = show(content)
    top = numbers(page.locator("#ticks").inner_text())[-1]
    assert top == min(np.ceil(np.nanmax(explained.bits)), 8)
    expect_colours(page, [None, *np.minimum(explained.bits[1:] / top, 1).tolist()])


@pytest.mark.parametrize("layer, signal, unit", [(1, "h", 3), (2, "h", 0), (2, "c", 7), (1, "f", 5)])
def test_a_unit_colours_the_text(show, explained, content, layer, signal, unit):
    page = show(content)
    choose_unit(page, layer, signal, unit)
    values = next(s.values for s in explained.trace.signals if s[:2] == (layer, signal))[unit]
    ticks = numbers(page.locator("#ticks").inner_text())
    packed = next(s for s in content["signals"] if (s["layer"], s["name"]) == (layer, signal))
    low, high = packed["low"][unit], packed["high"][unit]
    assert low == (0 if signal == "f" else -high)
    assert ticks == pytest.approx([low, (low + high) / 2, high], abs=(high - low) / 50)
    expect_colours(page, ((values - low) / (high - low)).tolist())
    page.locator(EVERY).nth(20).hover()
    shown = numbers(page.locator("#activation").inner_text())[-1]
    assert shown == pytest.approx(values[20], abs=(high - low) / 30)
    assert len(str(shown)) <= 5


def test_the_ranking_names_its_units_and_chooses_them(show, content):
    page = show(content)
    entries = content["ranking"]
    assert len(entries) >= 10
    rows = page.locator("#ranking label").all_inner_texts()
    for row, entry in zip(rows, entries, strict=True):
        assert entry["tracks"] in row and f"{entry['layer']} · {entry['signal']} {entry['unit']}" in row
        assert numbers(row)[-1] == pytest.approx(entry["score"] * entry["sign"], abs=0.0051)
    ticks = page.locator("#ranking .bar b").evaluate_all("all => all.map(e => parseFloat(e.style.left))")
    assert ticks == pytest.approx([100 * entry["untrained"] for entry in entries])
    for signal in "hc":
        number = next(i for i, entry in enumerate(entries) if entry["signal"] == signal)
        page.locator("#ranking label").nth(number).click()
        expect_meaning(page, entries[number])
        assert page.locator("#unit").input_value() == str(entries[number]["unit"])
        assert page.locator("#signal").input_value() == signal
        assert page.locator("#ranking label").nth(number).locator("input").is_checked()


def test_a_unit_has_the_scores_of_the_chosen_signal_alone(show, content):
    page, kept = show(content), {(e["layer"], e["signal"], e["unit"]) for e in content["ranking"]}
    layer, signal, unit = next(
        key for key in sorted(kept) if (key[0], "hc".replace(key[1], ""), key[2]) not in kept
    )
    choose_unit(page, layer, "hc".replace(signal, ""), unit)
    assert "tracks" not in page.locator("#meaning").inner_text()
    choose_unit(page, layer, signal, unit)
    assert "tracks" in page.locator("#meaning").inner_text()


def expect_meaning(page: Any, entry: dict[str, Any]) -> None:
    """The legend says what this entry of the ranking does."""
    page.get_by_text(f"Layer {entry['layer']}, unit {entry['unit']}, {entry['signal']}: tracks").wait_for()


def test_attention_colours_what_the_marked_character_looked_at(show, explained, content):
    page = show(content)
    page.get_by_role("radio", name="Attention").check()
    page.locator(EVERY).nth(40).hover()
    row = explained.trace.attention[39].astype(float)  # what was read before it made the guesses
    page.wait_for_function(
        "wanted => document.querySelectorAll('#text [class]:not([class=\"\"])').length === wanted", arg=8
    )
    assert numbers(page.locator("#ticks").inner_text())[-1] == pytest.approx(row.max() / 255, abs=0.0051)
    expected: list[float | None] = [None] * len(TEXT)
    for lag, weight in enumerate(row):
        expected[39 - lag] = weight / row.max()
    expect_colours(page, expected)


def test_gradients_over_lag_are_plotted_by_their_logarithms(show, content):
    page = show(content)
    lines = page.locator("svg .curve").evaluate_all(
        "all => all.map(e => [e.getAttribute('d'), e.getAttribute('stroke-dasharray')])"
    )[::2]
    names = page.locator("svg .name").all_text_contents()
    assert len({dash for _, dash in lines}) == len(content["lags"]) == 4  # they differ in grey too
    scale = []
    for name, (path, _) in zip(names, lines, strict=True):
        norms = next(lag["norms"] for lag in content["lags"] if lag["name"] == name)
        heights = numbers(path)[1::2]
        drawn = min(len(heights) - 1, 30)  # the last may lie beyond the plot, and is drawn on its edge
        scale += zip(np.log10(norms[:drawn]), heights[:drawn], strict=True)
    ticks = page.locator("svg text[text-anchor=end]").all_text_contents()
    powers = [int(tick[2:].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))) for tick in ticks]
    grid = page.locator("svg .grid").evaluate_all("all => all.map(e => Number(e.getAttribute('y1')))")
    for log, height in scale:
        assert height == pytest.approx(np.interp(log, powers, grid), abs=0.2)
    page.locator("summary").click()
    assert page.locator("#norms tbody tr").count() == 4


def test_gradients_that_vanish_or_explode_are_drawn_too(show, content):
    lags = [{"name": name, "trained": name == "a", "norms": norms} for name, norms in (
        ("a", [1.0, 1e30, float("inf"), float("nan")]), ("b", [1.0, 0.0, 0.0, 0.0]), ("c", [0.0] * 4),
    )]  # fmt: skip
    page = show(content | {"lags": lags})
    assert page.locator("svg .name").count() == 3
    assert "NaN" not in page.locator("#plot").inner_html()


def test_the_keyboard_reaches_everything(show, content):
    page = show(content)
    choose_unit(page, 1, "h", 0)
    page.locator("#theme").focus()
    reached, script = (
        [],
        """() => {
        const on = document.activeElement, near = [on, on.nextElementSibling, on.parentElement];
        const seen = near.some(e => e && getComputedStyle(e).outlineStyle !== 'none');
        return [on.id || on.name || on.tagName, seen]}""",
    )
    for _ in range(12):
        page.keyboard.press("Tab" if reached else "Shift+Tab")
        reached.append(page.evaluate(script))
    assert {name for name, _ in reached} >= {
        "theme",
        "mode",
        "layer",
        "signal",
        "unit",
        "text",
        "ranked",
        "SUMMARY",
    }
    assert all(seen for name, seen in reached if name != "BODY")


def test_the_keyboard_alone_works_the_page(show, content):
    page = show(content)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#theme").inner_text() == "Light theme"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # from surprise to a unit
    page.get_by_text("Layer 1, unit 0, h").wait_for()
    before = painted(page, EVERY)
    for _ in range(3):
        page.keyboard.press("Tab")  # layer, signal, unit
    page.keyboard.press("ArrowUp")
    page.get_by_text("Layer 1, unit 1, h").wait_for()
    page.wait_for_function("document.querySelector('#activation').textContent.startsWith('Unit 1,')")
    assert painted(page, EVERY) != before
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the first of the ranking
    expect_meaning(page, content["ranking"][0])
    page.keyboard.press("ArrowDown")
    expect_meaning(page, content["ranking"][1])


def test_arrows_move_the_mark_through_the_text_and_say_what_it_is_on(show, content):
    page, line = show(content), TEXT.index("\n") + 1
    page.locator("#text").focus()
    places = {
        **{"ArrowRight": 2, "ArrowLeft": 1, "ArrowDown": line, "ArrowUp": 0},
        **{"End": line - 1, "Home": 0, "Control+End": len(TEXT) - 1, "Control+Home": 0},
    }
    for key, place in places.items():
        page.keyboard.press(key)
        marked = page.evaluate(
            "[...document.querySelectorAll('#text span')].findIndex(s => 'on' in s.dataset)"
        )
        assert marked == place, key
        said = page.locator("#live").inner_text()
        bits = content["bits"][place]
        assert "first character" in said if bits is None else f"{bits:.2f} bits" in said
    page.keyboard.press("ArrowRight")
    char, chance = content["guesses"][1][0]
    spelled = {" ": "space", "\n": "newline", "\t": "tab"}.get(char, char)
    assert f"Expected: {spelled} {100 * chance:.0f} %" in page.locator("#live").inner_text()


def test_a_strangers_text_stays_text(show, content):
    guesses = [[], *([[HOSTILE, 0.5]] for _ in TEXT[1:])]
    hostile = {
        **{"name": HOSTILE, "summary": HOSTILE, "chars": [HOSTILE] * len(TEXT), "guesses": guesses},
        "ranking": [entry | {"tracks": HOSTILE} for entry in content["ranking"]],
        "signals": [signal | {"name": f"h{HOSTILE}"} for signal in content["signals"]],
        "lags": [lag | {"name": HOSTILE} for lag in content["lags"]],
    }
    page = show(content | hostile)
    page.locator(EVERY).nth(5).hover()
    page.locator("#ranking label").first.click()
    page.locator("#activation").wait_for()
    assert page.evaluate("window.owned") is None
    assert page.locator("img").count() == 0
    assert page.locator("h1").text_content() == HOSTILE
    assert page.title() == f"{HOSTILE} · charrnn explain"
    assert "<img" in page.locator(EVERY).first.inner_text()


def test_the_policy_stops_a_script_that_got_in(browser, content, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(
        render(content).replace("<main>", "<script>window.owned = 1</script><img src=x.png><main>")
    )
    page = browser.new_page()
    page.goto(file.as_uri())
    page.locator("#text [data-on]").wait_for()
    assert page.evaluate("window.owned") is None
    page.close()


@pytest.mark.parametrize("width", [320, 360])
def test_a_narrow_window_needs_no_sideways_scrolling(show, content, width):
    page = show(content | {"name": "a" * 90 + ".npz", "chars": ["m"] * len(TEXT)}, width=width)
    for mode in ("Surprise", "A unit", "Attention"):
        page.get_by_role("radio", name=mode).check()
        for part in ("html", "#text", "#ranking"):
            assert page.locator(part).evaluate("e => e.scrollWidth - e.clientWidth") <= 0, (mode, part)
        rights = page.locator(EVERY).evaluate_all("all => all.map(e => e.getBoundingClientRect().right)")
        assert max(rights) < width, mode
    page.locator("#text").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#text").scroll_into_view_if_needed()
    panel = page.locator("#detail").bounding_box()
    assert panel["y"] + panel["height"] <= 800, "the guesses are not in sight of the text"


def test_a_choice_below_the_text_brings_it_into_sight(show, content):
    page = show(content, width=360)
    page.locator("#ranking label").nth(2).click()
    expect_meaning(page, content["ranking"][2])
    for part in ("#legend", "#text"):
        assert -1 < page.locator(part).bounding_box()["y"] < 400, part


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(show, content, scheme):
    """In dark and in light, by contrast of 4.5 at least; and the scales, by lightness alone."""
    page = show(content, scheme=scheme)
    ramp = painted(page, "#ramp span")
    assert min(itertools.starmap(contrast, ramp)) >= 4.5
    light = [luminance(ground) for _, ground in ramp]
    assert light == sorted(light, reverse=scheme == "light") and len(set(light)) > STEPS * 0.9
    choose_unit(page, 1, "h", 0)
    ramp = painted(page, "#ramp span")
    assert min(itertools.starmap(contrast, ramp)) >= 4.5
    light = [luminance(ground) for _, ground in ramp]
    for half in (light[STEPS // 2 :], light[STEPS // 2 :: -1]):
        assert half == sorted(half, reverse=scheme == "light")
    (red, _, blue), (other_red, _, other_blue) = ramp[8][1], ramp[-9][1]
    assert blue > red and other_red > other_blue  # blue and orange, which all the colour-blind tell apart
    inks = page.evaluate("""() => [...document.querySelectorAll('body *')].filter(
        e => e.checkVisibility() && [...e.childNodes].some(c => c.nodeType === 3 && c.data.trim())).map(e => {
        let on = e, clear = 'rgba(0, 0, 0, 0)';
        while (getComputedStyle(on).backgroundColor === clear) on = on.parentElement;
        const style = getComputedStyle(e), ink = e.closest('svg') ? style.fill : style.color;
        return [e.outerHTML.slice(0, 60), ink, getComputedStyle(on).backgroundColor]})""")
    assert len(inks) > len(TEXT)
    poor = [who for who, ink, on in inks if contrast(*(tuple(numbers(c)[:3]) for c in (ink, on))) < 4.5]
    assert not poor


def test_the_data_cannot_end_their_element(content):
    page = render(content | {"name": HOSTILE})
    held = page.split('id="data">')[1].split("</script>")[0]
    assert "<" not in held and held.isascii() and r"\u003c/script>" in held


def test_it_moves_nothing_and_asks_for_nothing(show, content):
    """What `show` asserts, after everything was used once."""
    page = show(content)
    for mode in ("A unit", "Attention", "Surprise"):
        page.get_by_role("radio", name=mode).check()
        page.locator(EVERY).nth(30).click()
    page.locator("#theme").click()
    page.locator("summary").click()
    page.set_viewport_size({"width": 500, "height": 600})
    moving = (
        "e => getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none'"
    )
    assert page.evaluate(f"[...document.querySelectorAll('body *')].filter({moving}).length") == 0
