"""Stop reasons of an episode, one type for each."""

from __future__ import annotations

from attrs import frozen


@frozen
class Completed:
    """The environment ended the episode."""


@frozen
class MaxTurns:
    """The limit on turns was reached."""

    limit: int


@frozen
class MaxTokens:
    """`max_tokens` cut the model short."""


@frozen
class ContextOverflow:
    """The context window has no room for an answer, or cut it short."""

    length: int
    """Tokens of the prompt."""
    window: int
    """Greatest number of tokens of prompt and answer."""


@frozen
class ParseFailure:
    """The model's turn could not be parsed."""

    reason: str


@frozen
class ToolStop:
    """A tool ended the episode."""

    tool: str


@frozen
class MaxToolCalls:
    """The limit on tool calls was reached."""

    limit: int


@frozen
class TimeOut:
    """The time limit was reached."""

    seconds: float


@frozen
class EnvironmentFailed:
    """The environment failed and ended the episode itself, which keeps the turns so far."""

    problem: str


StopReason = (
    Completed
    | MaxTurns
    | MaxTokens
    | ContextOverflow
    | ParseFailure
    | ToolStop
    | MaxToolCalls
    | TimeOut
    | EnvironmentFailed
)

_NAMES: dict[type, str] = {
    Completed: "completed",
    MaxTurns: "max_turns",
    MaxTokens: "max_tokens",
    ContextOverflow: "context_overflow",
    ParseFailure: "parse_failure",
    ToolStop: "tool_stop",
    MaxToolCalls: "max_tool_calls",
    TimeOut: "time_out",
    EnvironmentFailed: "environment_failed",
}


def stop_name(reason: StopReason) -> str:
    """Name of a stop reason in metrics and transcripts."""
    return _NAMES[type(reason)]
