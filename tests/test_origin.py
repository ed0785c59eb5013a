"""What made a model is in its files, however often the run went on and however long its commands."""

from __future__ import annotations

import json

import pytest

from charrnn.training.origin import MOST, Origin, newest


def test_commands_are_told_once_in_a_row():
    assert newest(["a", "a", "b", "a"]) == ["a", "b", "a"]


@pytest.mark.parametrize("command", ["x" * 1000, "\N{GRINNING FACE}" * 1000])
def test_of_too_many_the_newest_are_kept(command):
    kept = newest([f"{number} {command}" for number in range(500)])
    assert kept[-1].startswith("499 ") and 1 < len(kept) < 500
    assert len(json.dumps(kept)) <= MOST


def test_a_command_that_is_too_long_alone_is_told_once():
    meta = Origin(command="x" * (MOST + 1)).meta
    assert meta["commands"] == [] and len(meta["command"]) == MOST + 1
