"""Episodes in which the model can call tools before it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal

from attrs import define, evolve, field, frozen, validators

from tinker_core import Message, ToolCall, ToolSpec, UnparsedToolCall, as_conversation
from tinker_rl.envs.message_env import MessageEnv, Messages, MessageStep
from tinker_rl.envs.tool import Grader, Tool, ToolResult, by_name, result_message, run_call
from tinker_rl.stop_reason import Completed, MaxToolCalls, MaxTurns, StopReason, ToolStop
from tinker_rl.user_code import call
from tinker_train import Metrics, gather

_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_HOW_TO_CALL = """You can call tools. To call one, write
<tool_call>{"name": "...", "arguments": {...}}</tool_call>
and wait for its result. The tools are:
"""


@frozen(kw_only=True)
class ToolRules:
    """Limits on an episode with tools."""

    max_turns: int = field(default=8, validator=validators.ge(1))
    """Greatest number of turns of the model."""
    max_calls: int = field(default=32, validator=validators.ge(1))
    """Greatest number of calls in the episode."""
    parallel: bool = True
    """Run the calls of one turn concurrently; otherwise one after the other."""
    format: Literal["native", "text"] = "native"
    """Format of calls: `native` is the model family's; `text` is JSON in tags that the system
    prompt explains, for models without a format of their own."""


@define
class ToolEnv(MessageEnv):
    """The model calls tools until it answers without a call. Then the conversation is graded."""

    messages: Messages
    """The conversation before the model's first turn."""
    available: Sequence[Tool]
    grade: Grader
    rules: ToolRules = field(factory=ToolRules)
    _conversation: list[Message] = field(init=False, factory=list)
    _turns: int = field(init=False, default=0)
    _calls: int = field(init=False, default=0)
    _bad_calls: int = field(init=False, default=0)

    def tools(self) -> Sequence[ToolSpec]:
        """The tools, unless their format is text."""
        native = self.rules.format == "native"
        return [each.spec for each in self.available] if native else []

    async def initial_messages(self) -> Messages:
        """The messages; with an explanation of the tools if their format is text."""
        self._conversation = list(as_conversation(self.messages))
        if self.rules.format == "text":
            self._conversation = explain_tools(self._conversation, self.available)
        return tuple(self._conversation)

    async def step(self, message: Message) -> MessageStep:
        """Run the calls of the message, or grade the conversation if there is no call."""
        if self.rules.format == "text":
            message = parse_calls(message)
        self._turns += 1
        self._conversation.append(message)
        wanted = message.tool_calls
        if not wanted and not message.unparsed_tool_calls:
            return await self._end(Completed())
        if self._calls + len(wanted) > self.rules.max_calls:
            return await self._end(MaxToolCalls(self.rules.max_calls))
        results = await self._run(wanted)
        self._calls += len(wanted)
        self._bad_calls += len(message.unparsed_tool_calls) + sum(r.is_error for r in results)
        answers = [result_message(c, r) for c, r in zip(wanted, results, strict=True)]
        answers += [_unparsed(each) for each in message.unparsed_tool_calls]
        self._conversation += answers
        metrics = {name: value for r in results for name, value in r.metrics.items()}
        for each, result in zip(wanted, results, strict=True):
            if result.stop:
                return await self._end(ToolStop(each.name), metrics)
        if self._turns == self.rules.max_turns:
            return await self._end(MaxTurns(self._turns), metrics)
        told = answers if self.rules.format == "native" else [_as_user(answers)]
        return MessageStep(episode_done=False, messages=told, metrics=metrics)

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        """Grade the conversation so far."""
        step = await self._end(reason)
        return step.reward, step.metrics

    async def _run(self, wanted: Sequence[ToolCall]) -> list[ToolResult]:
        tools = by_name(self.available)
        if self.rules.parallel:
            return await gather(run_call(tools, each) for each in wanted)
        return [await run_call(tools, each) for each in wanted]

    async def _end(self, stop: StopReason, metrics: Metrics | None = None) -> MessageStep:
        graded = await call(self.grade, tuple(self._conversation))
        reward, more = graded if isinstance(graded, tuple) else (graded, {})
        counts = {"tool_calls": float(self._calls), "bad_tool_calls": float(self._bad_calls)}
        every = {**(metrics or {}), **more, **counts}
        return MessageStep(reward=reward, episode_done=True, stop=stop, metrics=every)


def explain_tools(conversation: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """Explain the tools and the format of their calls in the system prompt."""
    described = "\n".join(
        _json({"name": each.spec.name, "description": each.spec.description})
        + " "
        + _json(each.spec.parameters)
        for each in tools
    )
    system = [message for message in conversation[:1] if message.role == "system"]
    before = f"{system[0].text}\n\n" if system else ""
    told = Message(role="system", content=f"{before}{_HOW_TO_CALL}{described}")
    return [told, *conversation[len(system) :]]


def parse_calls(message: Message) -> Message:
    """Parse the calls in the text of a message."""
    calls: list[ToolCall] = []
    unparsed: list[UnparsedToolCall] = []
    for text in _CALL.findall(message.text):
        try:
            found = json.loads(text)
            arguments = _json(found.get("arguments", {}))
            calls.append(ToolCall(name=found["name"], arguments=arguments))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            unparsed.append(UnparsedToolCall(text=text, reason=f"invalid call: {error!r}"))
    return evolve(message, tool_calls=tuple(calls), unparsed_tool_calls=tuple(unparsed))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unparsed(bad: UnparsedToolCall) -> Message:
    return Message(role="tool", content=f"error: {bad.reason}")


def _as_user(answers: Sequence[Message]) -> Message:
    parts = [f"<tool_response>{answer.text}</tool_response>" for answer in answers]
    return Message(role="user", content="\n".join(parts))
