"""Check whether a renderer fits a model: against its chat template, and prompt against example."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tinker_core import Message, Reply, ToolSpec, as_conversation
from tinker_core.strict_json import parse_json
from tinker_render.renderer import Renderer
from tinker_render.tools.json_calls import openai_tool
from tinker_render.train_on_what import TrainOnWhat


def first_problem(
    renderer: Renderer, messages: Sequence[Mapping[str, Any]], tools: Sequence[ToolSpec]
) -> str | None:
    """The first problem with the rendering of a conversation, or None."""
    conversation = as_conversation(messages)
    if renderer.tokenizer.chat_template:
        problem = _against_template(renderer, messages, tools)
        if problem:
            return problem
    for i, message in enumerate(conversation):
        if message.role == "assistant" and i > 0:
            problem = _of_answer(renderer, conversation[: i + 1], tools)
            if problem:
                return f"messages[{i}]: {problem}"
    return None


def _against_template(
    renderer: Renderer, messages: Sequence[Mapping[str, Any]], tools: Sequence[ToolSpec]
) -> str | None:
    """Compare the text of the chat template of the model with the text of the renderer."""
    declared: list[Any] | None = [openai_tool(tool) for tool in tools] or None
    theirs = str(
        renderer.tokenizer.apply_chat_template(
            _with_parsed_arguments(messages), tools=declared, tokenize=False
        )
    )
    ours = renderer.codec.decode(renderer.render(messages, tools=tools).tokens.tolist())
    if ours == theirs:
        return None
    at = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(ours))
    at = min(at, len(theirs))
    return (
        f"after {theirs[max(0, at - 40) : at]!r} the chat template writes"
        f" {theirs[at : at + 40]!r}, and {renderer.name} {ours[at : at + 40]!r}"
    )


def _with_parsed_arguments(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages with arguments as dictionaries, as transformers documents it for templates."""
    given = copy.deepcopy([dict(message) for message in messages])
    for call in (call for message in given for call in message.get("tool_calls") or ()):
        function = call.get("function", call)
        if isinstance(function.get("arguments"), str):
            function["arguments"] = parse_json(function["arguments"] or "{}")
    return given


def _of_answer(
    renderer: Renderer, conversation: Sequence[Message], tools: Sequence[ToolSpec]
) -> str | None:
    prompt = renderer.build_generation_prompt(conversation[:-1], tools=tools).to_ints()
    model_input, _ = renderer.build_supervised_example(
        conversation, TrainOnWhat.LAST_ASSISTANT_MESSAGE, tools=tools
    )
    tokens = model_input.to_ints()
    if tokens[: len(prompt)] != prompt:
        return "the example does not begin with the prompt"
    outcome = renderer.parse_response(tokens[len(prompt) :], tools=tools)
    if not isinstance(outcome, Reply):
        return f"the answer is parsed as {outcome}"
    return None
