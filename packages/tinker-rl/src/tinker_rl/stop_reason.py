"""Why an episode ended, one type for each reason, to match on."""

from __future__ import annotations

from attrs import frozen


@frozen
class Completed:
    """The environment says that it is over."""


@frozen
class MaxTurns:
    """As many turns as were allowed."""

    limit: int


@frozen
class MaxTokens:
    """The model was cut short by `max_tokens`."""


@frozen
class ContextOverflow:
    """The next prompt leaves no room for an answer in the context window."""

    length: int
    """Tokens of the prompt."""
    window: int
    """Tokens of prompt and answer together that were allowed."""


@frozen
class ParseFailure:
    """The model's turn ended, but could not be read."""

    reason: str


@frozen
class ToolStop:
    """A tool ended the episode."""

    tool: str


@frozen
class MaxToolCalls:
    """As many tool calls as were allowed."""

    limit: int


@frozen
class TimeOut:
    """The episode took longer than it may."""

    seconds: float


@frozen
class EnvironmentFailed:
    """The environment broke, and says so itself to keep the turns made; otherwise it raises."""

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
    """The reason's name in metrics and transcripts."""
    return _NAMES[type(reason)]
