"""The recipes of docs/recipes do what they say, and every command of the documentation is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
import typer.main
from recipe_checks import CHECKS
from recipes import FENCE, PAGES, ROOT, blocks, commands, ended, prepare, printed, run

from charrnn.cli.main import WRONG_USAGE, program

DOCUMENTS = [
    *(ROOT / folder / "README.md" for folder in (".", "corpora", "checkpoints")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
GROUP: Any = typer.main.get_command(program())


def parse(words: list[str]) -> None:
    """What the program does with its arguments before it runs a command."""
    outer = GROUP.make_context("charrnn", words[:1])
    if not words[0].startswith("-"):
        name, command, rest = GROUP.resolve_command(outer, words)
        command.make_context(name, rest)


def test_every_page_is_checked_and_in_the_index_and_links_back():
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    pages = {page.name: page.read_text(encoding="utf-8") for page in PAGES.glob("[!R]*.md")}
    assert {f"{name}.md" for name in CHECKS} == set(pages) == set(re.findall(r"\]\((\w[\w-]*\.md)\)", index))
    assert all("](README.md)" in text and blocks(text, "sh") for text in pages.values())


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one_that_the_program_takes(page):
    text = page.read_text(encoding="utf-8")
    plain = [block for block in blocks(text, "") if re.search(r"^ *charrnn |[|;&] *charrnn ", block, re.M)]
    for block in blocks(text, "sh") + plain:
        for words in commands(block):
            try:
                parse(words)
            except WRONG_USAGE as error:
                pytest.fail(f"{page.name}: charrnn {' '.join(words)}: {error.format_message()}")


def test_commands_are_found_and_options_that_are_gone_are_refused():
    found = commands(
        "for n in '' 2; do x=3 charrnn eval a.npz --lr $n 2> log | sort; done # charrnn no\n"
        "charrnn sample 'a b' \\\n  --stop $'\\n' > out\necho $(charrnn info \"c|d\")\n"
        "python - <<'END'\ncharrnn none\nEND\necho charrnn none"
    )
    assert list(found) == [
        ["eval", "a.npz", "--lr", "1"],
        ["sample", "a b", "--stop", "$\\n"],
        ["info", "c|d"],
    ]
    parse(["sample", "a.npz", "--temp", "0"])
    for wrong in (
        ["sample", "a.npz", "--cold"],
        ["sample"],
        ["draw", "a.npz"],
        ["eval", "a.npz", "b", "--lr", "x"],
    ):
        with pytest.raises(WRONG_USAGE):
            parse(wrong)


SCRIPTS = [
    pytest.param(script, id=name)
    for page in sorted(PAGES.glob("*.md"))
    for name, script in re.findall(
        r"^cat > (\S+\.py) <<'END'\n(.*?)^END$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("task", ["check", "format --check"])
def test_a_script_of_a_page_has_the_style_of_the_project(script, task):
    command = [
        sys.executable,
        "-m",
        "ruff",
        *task.split(),
        "--no-cache",
        "--stdin-filename",
        "script.py",
        "-",
    ]
    done = subprocess.run(command, cwd=ROOT, input=script, capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", CHECKS)
def test_a_recipe_does_what_its_page_says(name, tmp_path, request):
    recipe, shakespeare = CHECKS[name], request.config.getoption("--shakespeare")
    if not recipe.short and not request.config.getoption("--recipes"):
        pytest.skip(f"takes {max(0.5, round(recipe.seconds / 60))} minutes: pytest --recipes")
    prepare(tmp_path)
    if shakespeare:
        shutil.copy(shakespeare, tmp_path / "shakespeare.txt")
    if missing := [file for file in recipe.needs if not (tmp_path / file).exists()]:
        pytest.skip(f"needs {' and '.join(missing)} (shakespeare.txt comes from --shakespeare FILE)")
    page = PAGES / f"{name}.md"
    outs = run(page, tmp_path)
    recipe.check(outs, tmp_path)
    if recipe.exact:
        for out, shown in zip(outs, printed(page.read_text(encoding="utf-8")), strict=True):
            assert shown in (ended(out), None), f"python tests/rerun_recipes.py {name} writes what is printed"


def test_the_readme_shows_what_its_commands_print(tmp_path):
    """Those on models that come along: the Quick start's model is fables.npz (see checkpoints/README.md)."""
    prepare(tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page, sample in (
        (readme, r"charrnn sample checkpoints/fables-lstm\.npz (.*)\n"),
        (
            (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"),
            r"charrnn sample fables\.npz (.*--seed 1)\n```\n\n```text",
        ),
    ):
        (tmp_path / "page.md").write_text(
            f"```sh\ncharrnn sample checkpoints/fables.npz -q {re.findall(sample, page)[0]}\n```\n"
        )
        assert f"\n{ended(*run(tmp_path / 'page.md', tmp_path))}```" in page
    fenced = FENCE.findall(readme)
    pairs = [
        (command, out)
        for (language, command), (after, out) in pairwise(fenced)
        if (language, after) == ("sh", "text")
    ]
    assert len(pairs) == 3
    for command, out in pairs:
        (tmp_path / "page.md").write_text(f"```sh\n{command}```\n")
        assert [ended(printed) for printed in run(tmp_path / "page.md", tmp_path)] == [out]


def test_the_tutorial_works_and_shows_what_it_prints(tmp_path, request):
    if not request.config.getoption("--recipes"):
        pytest.skip("takes a minute: pytest --recipes")
    prepare(tmp_path)
    lines = (ROOT / "corpora" / "fables.txt").read_text().splitlines(keepends=True)
    (tmp_path / "raw.txt").write_text("".join(["*** START OF\n", *lines[:400], "*** END OF\n"]))
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    fenced = [*FENCE.findall(text), ("end", "")]
    outs = run(ROOT / "docs" / "tutorial.md", tmp_path)
    shells = [i for i, (language, _) in enumerate(fenced) if language == "sh"]
    shown = [
        (fenced[i + 1][1], out) for i, out in zip(shells, outs, strict=True) if fenced[i + 1][0] == "text"
    ]
    assert len(shown) == 2
    for there, now in shown:
        timeless = [re.sub(r"^time .*", "", part, flags=re.MULTILINE) for part in (there, ended(now))]
        assert timeless[0] == timeless[1]


def test_the_ruler_holds(tmp_path, request):
    """What a model reaches is close to the entropy that make.py states, as docs/ruler.md says."""
    if not request.config.getoption("--recipes"):
        pytest.skip("takes 2 minutes: pytest --recipes")
    prepare(tmp_path)
    page = ROOT / "docs" / "ruler.md"
    _, costs = run(page, tmp_path)
    assert costs in blocks(page.read_text(encoding="utf-8"), "")
    for kind, most, cost in zip(("markov", "brackets"), (1.01, 1.03), costs.splitlines(), strict=True):
        make = [sys.executable, "corpora/make.py", kind, "--lines", "0"]
        said = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=True).stderr
        entropy = float(said.split()[0])
        log = (tmp_path / "checkpoints" / f"{kind}-train-gru.jsonl").read_text()
        loss = json.loads(log.splitlines()[-1])["best"]["loss"]
        assert float(cost.split()[0]) < loss < most * entropy


def test_a_block_that_fails_fails_loudly(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```sh\necho good\n```\n```\nnot run\n```\n```sh\nfalse | cat\necho on\n```\n")
    prepare(tmp_path)
    with pytest.raises(AssertionError, match="exit 1 of\nfalse"):
        run(page, tmp_path)
