"""Problems: the answer is checked, and its format."""

from typing import Any

import pytest

from tinker_rl import (
    Completed,
    MaxTokens,
    ParseFailure,
    ProblemEnv,
    ProblemGroupBuilder,
)


class Sum(ProblemEnv):
    """2 + 2, answered by digits."""

    def get_question(self) -> str:
        return "2+2="

    def check_answer(self, answer: str) -> bool:
        return answer == "4"

    def check_format(self, answer: str) -> bool:
        return answer.isdigit()

    def get_reference_answer(self) -> str:
        return "4"


@pytest.mark.parametrize(
    ("said", "reward", "stop"),
    [
        ("4", 1.0, Completed),
        ("5", 0.0, Completed),
        ("four", -0.1, Completed),
        ("4|", -0.1, ParseFailure),
        ("4" * 50, -0.1, MaxTokens),
    ],
)
def test_a_problem_pays_for_the_answer_and_for_its_form(
    said: str, reward: float, stop: type, renderer: Any, speak: Any, play: Any
) -> None:
    group = play(lambda: Sum(renderer), speak([said]))
    assert group.rewards.tolist() == [pytest.approx(reward)]
    assert isinstance(group.trajectories[0].stop, stop)
    turn = group.trajectories[0].transitions[0]
    assert turn.logs["reference"] == "4"
    assert turn.metrics["correct"] == float(said == "4")


def test_attempts_at_one_problem_share_their_prompt(
    renderer: Any, scripted: Any, play: Any
) -> None:
    stop = list(renderer.get_stop_sequences())
    sampler = scripted(lambda prompt, sample: stop)
    prefix = [{"role": "system", "content": "Answer by digits."}]
    builder = ProblemGroupBuilder(
        env_thunk=lambda: Sum(renderer, prefix, format_coefficient=0.5),
        num_envs=3,
        dataset_name="sums",
    )
    group = play(builder, sampler)
    assert [count for _, count, _ in sampler.calls] == [3]
    assert "Answer by digits." in renderer.tokenizer.decode(sampler.calls[0][0])
    assert group.rewards.tolist() == [-0.5] * 3
    assert group.tags == ("sums",)
