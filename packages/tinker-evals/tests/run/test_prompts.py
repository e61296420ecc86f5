"""A prompt is the problem and how to answer it, with shots before it where they are asked for."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tinker_core import ConfigError
from tinker_evals import (
    Item,
    JsonlFile,
    Model,
    Sampling,
    Settings,
    Shipped,
    Task,
    load_items,
    read_task_run,
    run_task,
)
from tinker_evals.run.prompts import Prompter
from tinker_evals.tasks import TASKS

Make = Callable[..., Model]


def shipped(name: str) -> list[Item]:
    return load_items(TASKS[name], Shipped(name))


def test_a_chat_prompt_is_the_problem_and_how_to_answer_it(scripted: Make) -> None:
    task = TASKS["gsm8k"]
    assert isinstance(task, Task)
    prompter = Prompter.of(task, scripted("").renderer, Sampling(system_prompt="Be brief."))
    item = shipped("gsm8k")[0]
    prompt = prompter.prompt(item)
    assert prompt.shown == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"{item.prompt}\n\n{task.instruction}"},
    ]
    assert prompt.stop == prompter.renderer.get_stop_sequences()


def test_a_few_shot_text_prompt_ends_where_the_answer_begins(scripted: Make) -> None:
    task = TASKS["gsm8k"]
    assert isinstance(task, Task)
    prompter = Prompter.of(task, scripted("").renderer, Sampling(style="text", shots=2))
    first, second, third = shipped("gsm8k")[:3]
    for item, shots in ((first, (second, third)), (third, (first, second))):
        expected = "".join(
            f"Question: {shot.prompt}\nAnswer: {shot.solution}\n\n" for shot in shots
        )
        shown = prompter.prompt(item).shown
        assert shown == f"{expected}Question: {item.prompt}\nAnswer:"  # never its own solution


def test_few_shot_chats_show_earlier_turns(scripted: Make) -> None:
    task = TASKS["sums"]
    assert isinstance(task, Task)
    prompter = Prompter.of(task, scripted("").renderer, Sampling(shots=2))
    roles = [message["role"] for message in prompter.prompt(shipped("sums")[50]).shown]
    assert roles == ["user", "assistant", "user", "assistant", "user"]


def test_a_base_models_text_is_scored_up_to_where_it_invents_a_question(
    scripted: Make, tmp_path: Path
) -> None:
    said = " It is 9. #### 9\n\nQuestion: What is 1+1?\nAnswer: #### 2"
    settings = Settings(sampling=Sampling(style="text", shots=3), limit=1)
    model = scripted(said)
    source = Shipped("gsm8k")
    result = asyncio.run(run_task(TASKS["gsm8k"], model, settings, source=source, folder=tmp_path))
    assert result.summary.counts["truncated"] == 0
    assert [sample.reply for sample in read_task_run(tmp_path).samples] == [" It is 9. #### 9"]
    assert model.client.params[0].stop == ["\n\nQuestion:", "\nQuestion:"]  # type: ignore[attr-defined]
    text = model.client.asked[0]  # type: ignore[attr-defined]
    assert text.count("Question:") == 4


def test_a_base_model_that_stops_by_itself_is_scored(scripted: Make, tmp_path: Path) -> None:
    """A model that ends its text was scored zero elsewhere, for want of a stop sequence."""
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps({"question": "1+1?", "answer": "#### 2"}) + "\n")
    settings = Settings(sampling=Sampling(style="text", shots=1))
    result = asyncio.run(
        run_task(TASKS["gsm8k"], scripted(" #### 2"), settings, source=JsonlFile(file))
    )
    assert result.summary.headline.value == 1.0
    assert result.summary.counts["answered"] == 1


def test_more_shots_than_there_are_is_an_error(scripted: Make) -> None:
    task = TASKS["gsm8k"]
    assert isinstance(task, Task)
    with pytest.raises(ConfigError, match="at most 5"):
        Prompter.of(task, scripted("").renderer, Sampling(shots=6))
