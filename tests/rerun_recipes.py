"""Write what the blocks of recipes print now into their pages:  python tests/rerun_recipes.py [NAME...]

By default of those that print the same everywhere.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from recipe_checks import CHECKS
from recipes import FENCE, PAGES, ended, prepare, printed, run

SHAKESPEARE = Path("shakespeare.txt")


def rerun(page: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        if SHAKESPEARE.exists():
            shutil.copy(SHAKESPEARE, folder)
        outs = run(page, Path(folder))
    text = page.read_text(encoding="utf-8")
    fences = [*FENCE.finditer(text)]
    shells = [i for i, fence in enumerate(fences) if fence[1] == "sh"]
    shown = [*zip(shells, outs, printed(text), strict=True)]
    for i, out, before in reversed(shown):  # so that places before stay
        if before is not None:
            start, end = fences[i + 1].span(2)
            text = text[:start] + ended(out) + text[end:]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:] or [name for name, recipe in CHECKS.items() if recipe.exact]:
        rerun(PAGES / f"{name}.md")
