"""When something recurring is due."""

from itertools import pairwise

import pytest
import tyro
from attrs import frozen

from tinker_train import Every, EverySeconds, EveryTokens, Never, Progress, is_due
from tinker_train.config.cadence import Cadence, parse_cadence, write_cadence


def at(step, tokens=0, seconds=0.0):
    return Progress(step=step, tokens=tokens, seconds=seconds)


def test_every_third_step_is_the_third_the_sixth_and_so_on():
    due = [n for n in range(1, 10) if is_due(Every(steps=3), at(n - 1), at(n))]
    assert due == [3, 6, 9]


def test_tokens_are_due_when_a_multiple_was_passed_however_big_the_step():
    counts = [0, 40, 90, 310, 330, 400]
    due = [b for a, b in pairwise(counts) if is_due(EveryTokens(tokens=100), at(0, a), at(1, b))]
    assert due == [310, 400]


def test_seconds_are_due_once_for_each_time_passed():
    assert is_due(EverySeconds(seconds=60), at(0, 0, 59.0), at(1, 0, 61.0))
    assert not is_due(EverySeconds(seconds=60), at(1, 0, 61.0), at(2, 0, 119.0))


def test_never_is_never_and_standing_still_makes_nothing_due():
    assert not is_due(Never(), at(0), at(10**6))
    assert not is_due(Every(steps=1), at(5), at(5))


def test_zero_is_no_cadence_and_the_smallest_step_is_one():
    for cadence, unit in ((Every, "steps"), (EveryTokens, "tokens"), (EverySeconds, "seconds")):
        with pytest.raises(ValueError, match=unit):
            cadence(**{unit: 0})
        assert write_cadence(cadence(**{unit: 1})) == f"1 {unit}"
    assert EverySeconds(seconds=0.5).seconds == 0.5


@pytest.mark.parametrize("given", [Every(steps=2), EveryTokens(tokens=3), EverySeconds(seconds=4)])
def test_a_cadence_is_one_argument_of_a_command_line_and_its_default_is_shown(given, capsys):
    @frozen
    class Settings:
        every: Cadence = given

    assert tyro.cli(Settings, args=[]).every == given
    assert tyro.cli(Settings, args=["--every", "5 tokens"]).every == EveryTokens(tokens=5)
    with pytest.raises(SystemExit):
        tyro.cli(Settings, args=["--help"])
    assert write_cadence(given) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "cadence"),
    [
        ("20", Every(steps=20)),
        ("20 steps", Every(steps=20)),
        ("1e6 tokens", EveryTokens(tokens=1_000_000)),
        ("600seconds", EverySeconds(seconds=600.0)),
        ("0.25 seconds", EverySeconds(seconds=0.25)),
        ("1234567.5 seconds", EverySeconds(seconds=1234567.5)),
        ("1e-05 seconds", EverySeconds(seconds=1e-5)),
        ("2.5e1 steps", Every(steps=25)),
        ("never", Never()),
    ],
)
def test_a_cadence_is_read_as_people_write_it_and_written_so_that_it_can_be_read(text, cadence):
    assert parse_cadence(text) == cadence
    assert parse_cadence(write_cadence(cadence)) == cadence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "often",
        "20 apples",
        "-3",
        "1.2.3",
        "2.5 steps",
        "0.5",
        "1e-1 tokens",
        "0",
        "1e400 seconds",
        "1e400",
    ],
)
def test_another_text_is_no_cadence(text):
    with pytest.raises(ValueError, match="invalid cadence"):
        parse_cadence(text)
