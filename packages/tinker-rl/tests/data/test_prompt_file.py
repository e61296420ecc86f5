"""Prompts from a file become groups without a reward."""

from pathlib import Path
from typing import Any

import pytest

from tinker_core import DataError
from tinker_render import Renderer
from tinker_rl import PromptFile


def test_prompts_are_asked_as_they_are_and_earn_nothing(
    tmp_path: Path, renderer: Renderer, write: Any
) -> None:
    path = write(tmp_path / "p.jsonl", [{"say": f"q{i}"} for i in range(5)])
    file = PromptFile(path=path, question="say", system="Be brief.", groups_per_batch=2)
    data = file.build(renderer=renderer, seed=1)
    assert [len(data.train.get_batch(i)) for i in range(3)] == [2, 2, 1]
    assert data.test is None
    asked = [
        tuple(message["content"] for message in group.conversation)
        for i in range(3)
        for group in data.train.get_batch(i)
    ]
    assert sorted(asked) == [("Be brief.", f"q{i}") for i in range(5)]
    again = file.build(renderer=renderer, seed=1)
    for i in range(3):
        assert again.train.get_batch(i) == data.train.get_batch(i)


def test_a_prompt_that_is_no_text_is_told_with_its_place(
    tmp_path: Path, renderer: Renderer, write: Any
) -> None:
    path = write(tmp_path / "p.jsonl", [{"question": "q"}, {"question": ["q"]}])
    with pytest.raises(DataError, match=r"p\.jsonl.*2.*must be text"):
        PromptFile(path=path).build(renderer=renderer, seed=0)
