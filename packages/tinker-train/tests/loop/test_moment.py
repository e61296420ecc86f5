"""What is due between two steps, as a table by hand."""

import pytest

from tinker_train import (
    Checkpoints,
    EvaluationTimes,
    Every,
    Moment,
    Progress,
    checkpoint_is_due,
    evaluation_is_due,
)


def at(before: int, now: int, *, ends=False, stopped=False, resumed=False) -> Moment:
    return Moment(
        before=Progress(step=before),
        now=Progress(step=now),
        ends=ends,
        stopped=stopped,
        resumed=resumed,
    )


@pytest.mark.parametrize(
    ("moment", "evaluated", "saved"),
    [
        (at(0, 0), True, False),  # before the first step
        (at(0, 0, resumed=True), False, False),  # a checkpoint of no steps was resumed
        (at(4, 4, resumed=True), False, False),  # measured and saved before the interruption
        (at(0, 0, ends=True, stopped=True), False, False),  # stopped before anything happened
        (at(3, 4), False, False),
        (at(4, 5), True, False),  # every 5 steps are measured
        (at(5, 6), False, True),  # every 6 saved
        (at(4, 7), True, True),  # several steps at once pass both
        (at(6, 7, ends=True), True, True),  # the end, whatever the cadence
        (at(6, 7, ends=True, stopped=True), False, True),  # saved to go on from, measured later
    ],
)
def test_what_is_due(moment: Moment, evaluated: bool, saved: bool) -> None:
    assert evaluation_is_due(EvaluationTimes(every=Every(steps=5)), moment) is evaluated
    assert checkpoint_is_due(Checkpoints(every=Every(steps=6)), moment) is saved


def test_both_ends_can_be_left_out() -> None:
    times = EvaluationTimes(every=Every(steps=5), at_start=False, at_end=False)
    assert not evaluation_is_due(times, at(0, 0))
    assert not evaluation_is_due(times, at(6, 7, ends=True))
