"""Inspect runs our models: by name on the embedded engine, and with tools and reasoning."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageTool,
    ContentImage,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ResponseSchema,
    get_model,
)
from inspect_ai.model import (
    Model as InspectModel,
)
from inspect_ai.scorer import includes, match
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import ToolCall, ToolFunction, tool
from inspect_ai.util import JSONSchema

from tinker_core import ConfigError, CutShort, DataError, Message, Reply
from tinker_evals import JsonlFile, Model, run_task
from tinker_evals import Task as OurTask
from tinker_evals.dataset.item import Item
from tinker_evals.graders import number_alone
from tinker_evals.integrations.inspect_evaluator import InspectEvaluator
from tinker_evals.integrations.inspect_provider import TinkerAPI, to_choice, to_message
from tinker_evals.model.open_model import open_model, process_service

Saying = Callable[..., Model]
SUMS = [Sample(input=f"What is {a}+4?", target=str(a + 4)) for a in range(10)]


@tool
def add() -> Any:
    async def execute(a: int, b: int) -> str:
        """Add two numbers.

        Args:
            a: One.
            b: The other.
        """
        return str(a + b)

    return execute


def inspect_model(model: Model) -> InspectModel:
    return InspectModel(TinkerAPI("scripted", model=model), GenerateConfig())


def test_a_model_is_found_by_its_name_and_scores_what_our_own_runner_says(
    tmp_path: Path, sums_file: Path
) -> None:
    sums = Task(
        dataset=SUMS, solver=generate(), scorer=match(), config=GenerateConfig(temperature=0.0)
    )
    (log,) = eval(
        sums, model="tinker/local/tiny", log_dir=str(tmp_path), display="none", max_tokens=8
    )
    assert log.status == "success"
    stored = read_eval_log(log.location)
    assert len(stored.samples or []) == 10
    ours = OurTask(
        name="ours",
        summary="",
        source=JsonlFile(sums_file),
        read=lambda row, i: Item(id=str(i), prompt=row["question"], target=row["answer"]),
        grader=number_alone,
    )

    async def run_ours() -> float:
        model = await open_model(process_service(), "local/tiny")
        return (await run_task(ours, model)).summary.headline.value

    assert log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == asyncio.run(run_ours())


def test_tools_are_called_and_their_results_come_back(tmp_path: Path, saying: Saying) -> None:
    model = saying(
        "<think>\nI add.\n</think>\n\n<tool_call>\n"
        '{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>',
        "<think>\n\n</think>\n\nIt is 5.",
    )
    adding = Task(
        dataset=[Sample(input="2+3?", target="5")],
        solver=[use_tools(add()), generate()],
        scorer=includes(),
    )
    (log,) = eval(adding, model=inspect_model(model), log_dir=str(tmp_path), display="none")
    assert log.status == "success"
    assert log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == 1.0
    first, second = model.client.asked  # type: ignore[attr-defined]
    assert '"name": "add"' in first
    assert "<tool_response>\n5\n</tool_response>" in second
    messages = (log.samples or [])[0].messages
    assert messages[1].content[0].reasoning.strip() == "I add."  # type: ignore[union-attr]


def test_messages_are_the_same_both_ways() -> None:
    theirs = ChatMessageAssistant(
        content=[ContentReasoning(reasoning="hm"), ContentText(text="Yes.")],
        tool_calls=[ToolCall(id="c1", function="add", arguments={"a": 1})],
    )
    ours = to_message(theirs)
    assert (ours.thinking, ours.text) == ("hm", "Yes.")
    assert ours.tool_calls[0].parsed_arguments == {"a": 1}
    back = to_choice(Reply(ours), "m")
    assert back.stop_reason == "tool_calls"
    assert back.message.tool_calls == theirs.tool_calls
    assert [part.type for part in back.message.content] == ["reasoning", "text"]
    result = to_message(ChatMessageTool(content="5", tool_call_id="c1", function="add"))
    assert (result.role, result.text, result.tool_call_id, result.name) == (
        "tool",
        "5",
        "c1",
        "add",
    )


def test_a_cut_short_reply_says_so_unless_a_stop_text_was_reached() -> None:
    outcome = CutShort(Message(role="assistant", content="one. two"))
    assert to_choice(outcome, "m").stop_reason == "max_tokens"
    stopped = to_choice(outcome, "m", ["."])
    assert (stopped.stop_reason, stopped.message.text) == ("stop", "one")


def test_an_image_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="not image"):
        to_message(ChatMessageAssistant(content=[ContentImage(image="data:,")]))


@pytest.mark.parametrize(
    "setting",
    [
        {"response_schema": ResponseSchema(name="answer", json_schema=JSONSchema(type="object"))},
        *({"logprobs": True}, {"top_logprobs": 3}, {"logit_bias": {1: 2.0}}, {"best_of": 2}),
        *({"frequency_penalty": 0.5}, {"presence_penalty": 0.5}, {"reasoning_effort": "low"}),
        *({"parallel_tool_calls": False}, {"extra_body": {"a": 1}}),
    ],
)
def test_a_setting_that_would_have_no_effect_is_refused_by_name(
    setting: dict[str, Any], saying: Saying
) -> None:
    (name,) = setting
    with pytest.raises(ConfigError, match=name):
        asyncio.run(inspect_model(saying("5")).generate("2+3?", config=GenerateConfig(**setting)))


@pytest.mark.parametrize("choice", ["any", ToolFunction(name="add")])
def test_a_tool_call_that_cannot_be_forced_is_refused(choice: Any, saying: Saying) -> None:
    asked = inspect_model(saying("5")).generate("2+3?", tools=[add()], tool_choice=choice)
    with pytest.raises(ConfigError, match="force a tool call"):
        asyncio.run(asked)


def test_settings_that_are_applied_are_not_refused(saying: Saying) -> None:
    config = GenerateConfig(
        **{"max_tokens": 8, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "seed": 1},
        **{"stop_seqs": ["x"], "num_choices": 1, "max_retries": 1, "timeout": 60},
        **{"parallel_tool_calls": True, "max_connections": 2, "system_message": "Be brief."},
    )
    output = asyncio.run(inspect_model(saying("5")).generate("2+3?", config=config))
    assert output.completion == "5"


def test_an_unknown_model_argument_is_refused() -> None:
    with pytest.raises(ConfigError, match="chekpoint"):
        TinkerAPI("local/tiny", chekpoint="tinker://x")


def test_an_inspect_task_is_an_evaluator(tmp_path: Path, saying: Saying) -> None:
    model = saying(*["<think>\n\n</think>\n\n4"] * 5)
    evaluator = InspectEvaluator(
        task=Task(dataset=SUMS, solver=generate(), scorer=match()),
        renderer=model.renderer,
        log_dir=tmp_path,
        limit=5,
    )
    metrics = asyncio.run(evaluator(model.client))
    assert metrics["match/accuracy"] == pytest.approx(1 / 5)
    assert list(tmp_path.glob("*.eval"))


def test_the_provider_is_registered_by_its_entry_point() -> None:
    assert type(get_model("tinker/local/tiny").api).__name__ == "TinkerAPI"


def test_inspects_own_command_runs_a_task_file(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "sums.py").write_text(
        "from inspect_ai import Task, task\n"
        "from inspect_ai.dataset import Sample\n"
        "from inspect_ai.scorer import match\n"
        "from inspect_ai.solver import generate\n\n"
        "@task\ndef sums():\n"
        "    return Task(dataset=[Sample(input='What is 1+1?', target='2')],\n"
        "                solver=generate(), scorer=match())\n"
    )
    command = [sys.executable, "-m", "inspect_ai", "eval", "sums.py"]
    command += ["--model", "tinker/local/tiny", "--display", "plain", "--max-tokens", "8"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list((tmp_path / "logs").glob("*.eval"))
