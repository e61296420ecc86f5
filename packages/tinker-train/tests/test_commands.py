"""The frame of the commands that train."""

from pathlib import Path

import pytest

from tinker_train import TrainResult
from tinker_train.commands import run_training, take_option


def result(**changes):
    return TrainResult(
        run_dir=Path("runs/a b"), metrics={}, step=3, state_path=None, sampler_path=None, **changes
    )


def test_a_complete_run_is_a_success_and_says_nothing_more(capsys):
    assert run_training("tinker-sl", lambda: result(end="complete"), Path("runs/a b")) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("signal", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_stopped_run_is_no_success_and_its_last_line_resumes_it(signal, status, capsys):
    stopped = result(end="stopped", stop_signal=signal)
    assert run_training("tinker-sl", lambda: stopped, Path("runs/a b")) == status
    assert capsys.readouterr().err.splitlines()[-1] == "to continue: tinker-sl resume 'runs/a b'"


def test_ctrl_c_before_the_first_step_or_twice_names_the_command_too(tmp_path, capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # there is nothing to resume
        run_training("tinker-rl", interrupted, tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert run_training("tinker-rl", interrupted, tmp_path) == 130
    assert capsys.readouterr().err == f"to continue: tinker-rl resume {tmp_path}\n"


@pytest.mark.parametrize(
    ("arguments", "value", "rest"),
    [
        (["--env", "a:B", "--seed", "1"], "a:B", ["--seed", "1"]),
        (["--seed", "1", "--env=a:B"], "a:B", ["--seed", "1"]),
        (["--seed", "1"], None, ["--seed", "1"]),
        (["--env"], None, ["--env"]),
    ],
)
def test_an_option_is_taken_from_any_position(arguments, value, rest):
    assert take_option(arguments, "--env") == (value, rest)
