"""A person plays in the model's place."""

import asyncio
import time
from pathlib import Path
from typing import Any

from tinker_rl import ProblemFile, play


def test_a_person_can_be_the_model(renderer: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "1", "answer": "1"}\n')
    file = ProblemFile(path=tmp_path / "rows.jsonl", group_size=4)
    data = file.build(renderer=renderer, seed=0)
    asked: list[str] = []
    said: list[str] = []
    answers = iter(["1", "2"] * 2)

    asking: list[str] = []

    def ask(text: str) -> str:
        asking.append(text)
        asked.append(text)
        time.sleep(0.01)
        assert asking == [text], "asked twice at once"
        asking.clear()
        return next(answers)

    group = asyncio.run(play(data.train.get_batch(0)[0], renderer, ask=ask, say=said.append))
    assert sorted(group.rewards.tolist()) == [0.0, 0.0, 1.0, 1.0]
    assert asked[0].endswith("<|im_start|>assistant\n")
    assert "reward 1, completed" in " ".join(said)
