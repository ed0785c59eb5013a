"""Write docs/notebook.ipynb, which a test runs:  python docs/notebook.py"""

from __future__ import annotations

import json
from pathlib import Path

CELLS = [
    """# A character-level language model in a notebook

The model reads a text character by character and learns to predict the next one.
Run the cells in order (Shift-Enter), with this notebook in its folder of a charrnn checkout.""",
    """import charrnn

model = charrnn.train("../corpora/names.txt", cell="gru", hidden_size=64, epochs=4, seed=0)""",
    """During training the loss falls. It measures surprise, in nats per character.
`val loss` is the loss on names that the model was not trained on.""",
    'print(model.sample_many([""], num=8, length=12, stop=["\\n"], temp=0.7, seed=1))',
    "**What does the model expect after `Mari`?** It gives each character that it knows a probability.",
    """p = model.next_probabilities("Mari")
for chance, character in sorted(zip(p, model.characters, strict=True), reverse=True)[:5]:
    print(f"{character!r}  {chance:.2f}  " + "#" * int(40 * chance))""",
    "**Which of these is the oddest name?** Bits per character, with each line scored separately.",
    """words = ["Maria", "Tanaka", "Table", "Qwzxy"]
scores = model.score_lines([word + "\\n" for word in words])
for word, score in zip(words, scores, strict=True):
    print(f"{score.bpc:5.2f}  {word}")""",
    """**What does the temperature do?** Below 1, likely characters become likelier still.
At 0 the model always chooses the likeliest one, so all samples are the same.""",
    """for temp in (0.0, 0.5, 1.0, 1.5):
    print(temp, model.sample_many(["Jo"], num=4, length=10, stop=["\\n"], temp=temp, seed=2))""",
    """**Overfitting.** A larger model memorizes the list: its training loss keeps falling,
but its validation loss does not.""",
    """losses = {"train": [], "val": []}
options = {"cell": "gru", "hidden_size": 128, "dropout": 0.0, "epochs": 12, "seed": 0}
for event in charrnn.Run("../corpora/names.txt", **options):
    if event.name == "step":
        latest = event.loss
    elif event.name == "eval":
        losses["train"].append(round(latest, 2))
        losses["val"].append(round(event.loss, 2))
print(losses)""",
    """Try `dropout=0.5`, another cell (`rnn`, `lstm`), or your own text:
`charrnn.train("my.txt", max_time="5m")`.""",
]


def notebook() -> dict[str, object]:
    """Return the notebook in format 4.5: text and code cells, alternating."""
    cells = []
    for number, source in enumerate(CELLS):
        cell = {"id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
        code = {"cell_type": "code", "execution_count": None, "outputs": []}
        cells.append(cell | (code if number % 2 else {"cell_type": "markdown"}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


if __name__ == "__main__":
    text = json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n"
    Path(__file__).with_name("notebook.ipynb").write_text(text, encoding="utf-8")
