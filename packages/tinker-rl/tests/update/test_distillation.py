"""On-policy distillation: the student becomes its teacher, and each group asks its own."""

import asyncio
from typing import Any

import numpy as np
import pytest

from tinker_core import ConfigError, DataError
from tinker_core.testing import BigramSamplingClient
from tinker_render import get_renderer
from tinker_rl import (
    Distillation,
    PromptSwap,
    PullToTeachers,
    Sampling,
    Teacher,
    TeacherConfig,
    check_same_format,
    training_sequences,
)


def table(favourite: int, share: float) -> BigramSamplingClient:
    """A teacher that says its favourite token this often, and the others equally."""
    row = np.full(16, (1 - share) / 15)
    row[favourite] = share
    return BigramSamplingClient(np.log(np.tile(row, (16, 1))))


def test_a_student_comes_to_its_teachers_distribution(bench: Any, arms: Any) -> None:
    teachers = PullToTeachers(by_tag={"all": Teacher(table(5, 0.6))})
    config = bench.config()
    bench.run(config, [arms(pays=99, size=64)] * 60, transforms=[teachers])
    student = np.exp(bench.training.model.logprobs()[1])
    assert student[5] == pytest.approx(0.6, abs=0.12)
    assert student[np.arange(16) != 5].max() < 0.15
    kl = [row["teacher_kl"] for row in bench.metrics(config)]
    # at first the student is uniform: log 1/16 - (log 0.6 + 15 log (0.4 / 15)) / 16
    exact = -np.log(16) - (np.log(0.6) + 15 * np.log(0.4 / 15)) / 16
    assert kl[0] == pytest.approx(exact, abs=0.15)
    assert np.mean(kl[-5:]) < 0.15


def test_each_group_asks_the_teacher_of_its_tag(bench: Any, arms: Any) -> None:
    teachers = PullToTeachers(
        by_tag={"arm1": Teacher(table(5, 0.9)), "all": Teacher(table(7, 0.9))}
    )
    config = bench.config()
    bench.run(
        config, [arms(prompt=1 + i % 2, pays=99, size=32) for i in range(60)], transforms=[teachers]
    )
    student = np.exp(bench.training.model.logprobs())
    assert student[1].argmax() == 5
    assert student[2].argmax() == 7
    assert {"teacher_kl/arm1", "teacher_kl/all"} <= set(bench.metrics(config)[0])


def test_a_group_without_a_teacher_or_with_two_is_refused(group: Any) -> None:
    teachers = PullToTeachers(by_tag={"a": Teacher(table(5, 0.5)), "b": Teacher(table(6, 0.5))})
    for tags in ((), ("c",), ("a", "b")):
        found = group(1.0, tags=tags)
        (sequence,) = training_sequences(found.trajectories[0], [0.0])
        with pytest.raises(DataError, match=r"teachers of .*: expected one"):
            asyncio.run(teachers([sequence], [found]))


def test_a_teacher_may_see_a_system_prompt_that_the_student_does_not(
    renderer: Any, turn: Any, trajectory: Any
) -> None:
    swap = PromptSwap.by_system_prompt(renderer, "Be brief.")
    messages = [{"role": "user", "content": "Hello there"}]
    told = [{"role": "system", "content": "Be brief."}, *messages]
    prompt = renderer.build_generation_prompt(messages).to_ints()
    (sequence,) = training_sequences(trajectory(turn(prompt, [40, 41])), [0.0])
    seen = swap.seen_by_teacher(sequence)
    assert seen.tokens.tolist() == [*renderer.build_generation_prompt(told).to_ints(), 40, 41]
    assert seen.tokens[seen.sampled].tolist() == [40, 41]
    assert seen.sampled_logprobs.tolist() == pytest.approx([-0.4, -0.41])


def test_a_prompt_that_begins_otherwise_cannot_be_swapped(
    renderer: Any, turn: Any, trajectory: Any
) -> None:
    swap = PromptSwap(of_student=(1, 2, 3), of_teacher=(9,))
    (sequence,) = training_sequences(trajectory(turn([1, 2, 4], [5])), [0.0])
    with pytest.raises(DataError, match="system prompt"):
        swap.seen_by_teacher(sequence)
    (sequence,) = training_sequences(trajectory(turn([1, 2], [3])), [0.0])
    with pytest.raises(DataError, match="system prompt"):
        swap.seen_by_teacher(sequence)


def test_a_teacher_of_another_format_is_refused(renderer: Any) -> None:
    check_same_format(renderer, renderer)
    other = get_renderer("role_colon", renderer.tokenizer)
    with pytest.raises(ConfigError, match="'role_colon' writes a conversation in other tokens"):
        check_same_format(renderer, other)


def test_two_teachers_of_one_tag_are_refused(bench: Any) -> None:
    with pytest.raises(ConfigError, match="same tag"):
        Distillation(teachers=(TeacherConfig(model="a"), TeacherConfig(model="b")))
    with pytest.raises(ConfigError, match="temperature 1"):
        bench.config(
            sampling=Sampling(temperature=0.5),
            distillation=Distillation(teachers=(TeacherConfig(model="a"),)),
        )
