"""The picture of a terminal while charrnn trains:  python docs/pictures.py TEXT

The README's is of shakespeare.txt, and takes four minutes.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from charrnn.cli.display import introduction, picture
from charrnn.cli.run_figures import Figures
from charrnn.cli.run_summary import advice, screenshot
from charrnn.config import ModelConfig, TrainConfig
from charrnn.training.events import End, Evaluated, Start, Step
from charrnn.training.setup import Request, prepare
from charrnn.training.trainer import Trainer

SHOWN = 0.6  # of the run, when the live picture is taken


def main(text: Path) -> None:
    """Train on a text; write what the terminal shows on the way and in the end."""
    console = Console(record=True, width=92, force_terminal=True, file=io.StringIO())
    console.print(Text(f"$ charrnn train {text.name}", style="bold"))
    figures, shown = Figures(), False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{text.stem}-lstm.npz")
        setup = prepare(Request([text], ModelConfig(), TrainConfig(), path))
        trainer = Trainer(setup.plan.of_rank(), path, origin=setup.origin)
        for event in trainer.run():
            figures.add(event)
            match event:
                case Start():
                    console.print(introduction(event))
                case Evaluated():
                    figures.add(trainer.sample())
                case Step() if not shown and event.step >= SHOWN * trainer.plan.total_steps:
                    shown = True
                    console.print(picture(figures, height=40))
                case End():
                    figures.add(trainer.sample(best=True))
                    console.print(*screenshot(figures, event), sep="\n")
                    for name, value in advice(figures, event):
                        row = Text.assemble((f"{name:<12}", "dim"), value)
                        row.plain = row.plain.replace(f"{folder}/", "checkpoints/")
                        console.print(row, soft_wrap=True)
    svg = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="charrnn train"), flags=re.DOTALL)
    # with the reader's fonts, from no server
    Path(__file__).with_name("training.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
