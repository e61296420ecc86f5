"""Answers compared in pairs, against wins counted by hand."""

import asyncio
from typing import Any

import pytest
from attrs import define, field

from tinker_core import Comparison, Message
from tinker_rl import (
    EngineTokenCompleter,
    PairwisePreferenceGroupBuilder,
    RolloutConfig,
    Sampling,
    run_group,
)
from tinker_rl.envs.pairwise_preference import mean_wins


@define
class Longer:
    """Prefers the longer answer; where they are equal, the first one."""

    judged: list[tuple[str, str]] = field(factory=list)

    async def prefer(self, comparison: Comparison) -> float:
        assert comparison.prompt == (Message(role="user", content="Talk."),)
        (first,), (second,) = comparison.first, comparison.second
        self.judged.append((first.text, second.text))
        return 0.0 if len(second.text) > len(first.text) else 1.0


def rewards(renderer: Any, scripted: Any, answers: list[str], **more: Any) -> Any:
    def answer(prompt: list[int], sample: int) -> list[int]:
        ids = renderer.tokenizer.encode(answers[sample], add_special_tokens=False)
        return [*ids, *renderer.get_stop_sequences()]

    judge = Longer()
    builder = PairwisePreferenceGroupBuilder(
        conversation=[{"role": "user", "content": "Talk."}],
        renderer=renderer,
        preference=judge,
        num_envs=len(answers),
        **more,
    )
    policy = EngineTokenCompleter(scripted(answer), Sampling(max_tokens=8))
    group = asyncio.run(run_group(policy, builder, RolloutConfig(), (0,)))
    return group, judge


def test_each_answer_earns_its_mean_of_wins_minus_losses(renderer: Any, scripted: Any) -> None:
    group, judge = rewards(renderer, scripted, ["aaa", "a", "aa"], matches="one_way")
    assert group.rewards.tolist() == [1.0, -1.0, 0.0]
    assert len(judge.judged) == 3


def test_judged_both_ways_a_taste_for_the_first_place_cancels(renderer: Any, scripted: Any) -> None:
    group, judge = rewards(renderer, scripted, ["aa", "bb", "a"])
    assert group.rewards.tolist() == [0.5, 0.5, -1.0]
    assert len(judge.judged) == 6


def test_an_answer_that_is_none_loses_unjudged_and_pays_for_its_form(
    renderer: Any, scripted: Any
) -> None:
    endless = "a" * 20
    group, judge = rewards(renderer, scripted, ["a", endless, endless])
    assert group.rewards.tolist() == [1.0, -0.5 - 1.0, -0.5 - 1.0]
    assert judge.judged == []
    assert [m["format"] for m in group.group_metrics] == [1.0, 0.0, 0.0]


def test_one_way_each_answer_is_about_as_often_first(renderer: Any, scripted: Any) -> None:
    answers = ["a", "b", "c", "d", "e"]
    _, judge = rewards(renderer, scripted, answers, matches="one_way")
    assert [sum(first == x for first, _ in judge.judged) for x in answers] == [2] * 5


def test_wins_are_a_mean_over_matches() -> None:
    assert mean_wins(3, [(0, 1), (1, 0)], [1.0, -0.5]) == [-0.75, 0.75, 0.0]
    with pytest.raises(ValueError, match="zip"):
        mean_wins(2, [(0, 1)], [])
