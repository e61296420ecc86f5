"""What a person sees of a run."""

import io

import pytest
from rich.console import Console

from tinker_train import RunConsole


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when told to."""

    class Clock:
        now = 100.0

    monkeypatch.setattr("tinker_train.log.console.time.monotonic", lambda: Clock.now)
    return Clock


def test_a_log_file_gets_lines_and_no_control_characters(tmp_path, clock):
    out = io.StringIO()
    console = RunConsole(
        console=Console(file=out, force_terminal=False), log_file=tmp_path / "logs.log"
    )
    console.say("a [bold]line[/bold]")
    console.begin(total_steps=4)
    for step in (1, 2, 3, 4):
        clock.now += 4.0
        console.step(step, {"train/nll": 1.5, "tokens_per_second": 80.0})
    console.end()
    assert out.getvalue().splitlines() == [
        "a [bold]line[/bold]",
        "step 1/4  nll 1.5000  80 tokens/s  0:00:12 left",
        "step 4/4  nll 1.5000  80 tokens/s",
    ]
    said = (tmp_path / "logs.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in said] == out.getvalue().splitlines()


def test_a_line_comes_every_ten_seconds(clock):
    out = io.StringIO()
    console = RunConsole(console=Console(file=out, force_terminal=False))
    console.begin(total_steps=None, done=7)
    for step in range(8, 14):
        clock.now += 5.0
        console.step(step, {})
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "step 8",
        "step 10",
        "step 12",
    ]


def test_a_terminal_gets_a_bar(clock):
    out = io.StringIO()
    console = RunConsole(console=Console(file=out, force_terminal=True, width=80))
    console.begin(total_steps=4)
    console.step(1, {"train/nll": 1.5})
    console.end()
    assert "step 1/4" in out.getvalue()
    assert "nll 1.5000" in out.getvalue()
