"""Groups played by a sampler that says given texts."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest

from tinker_rl import (
    EngineTokenCompleter,
    EnvGroupBuilder,
    ProblemGroupBuilder,
    RolloutConfig,
    Sampling,
    ToolError,
    ToolResult,
    run_group,
    tool,
)
from tinker_rl.trajectory import TrajectoryGroup


def play(builder: Any, sampler: Any, max_tokens: int = 40, **more: Any) -> TrajectoryGroup:
    if not isinstance(builder, EnvGroupBuilder):
        builder = ProblemGroupBuilder(env_thunk=builder, num_envs=1)
    policy = EngineTokenCompleter(sampler, Sampling(max_tokens=max_tokens))
    return asyncio.run(run_group(policy, builder, RolloutConfig(**more), (0,)))


@pytest.fixture
def speak(renderer: Any, scripted: Callable[..., Any]) -> Callable[[Sequence[str]], Any]:
    """A sampler that says these texts in turn; one with a bar at its end never ends its turn."""

    def make(texts: Sequence[str]) -> Any:
        left = list(texts)

        def answer(prompt: list[int], sample: int) -> list[int]:
            text = left.pop(0)
            ids = renderer.tokenizer.encode(text.rstrip("|"), add_special_tokens=False)
            return ids + ([] if text.endswith("|") else list(renderer.get_stop_sequences()))

        return scripted(answer)

    return make


@pytest.fixture(scope="session", name="play")
def _play() -> Callable[..., TrajectoryGroup]:
    """Runs the group of a builder, or one episode of an environment that a function makes."""
    return play


@tool
def add(a: int, b: Annotated[int, "what to add"] = 1) -> int:
    """Add two numbers."""
    return a + b


@tool
async def look_up(word: str, kind: Literal["noun", "verb"] = "noun") -> str:
    """Look a word up."""
    if word == "down":
        raise ConnectionError("dictionary down")
    if word == "none":
        raise ToolError("no such word")
    return f"{word} is a {kind}"


@tool
def finish(answer: str) -> ToolResult:
    """Give the answer."""
    return ToolResult(text=answer, stop=True, metrics={"finished": 1.0})


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """The tools of this module, and all of them in a tuple."""
    return SimpleNamespace(add=add, look_up=look_up, finish=finish, all=(add, look_up, finish))
