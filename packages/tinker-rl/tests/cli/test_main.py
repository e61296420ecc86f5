"""The `tinker-rl` command."""

from pathlib import Path
from typing import Any

import pytest

import tinker_rl
from tinker_core import ConfigError
from tinker_rl import (
    Config,
    Distillation,
    Ppo,
    ProblemFile,
    PromptFile,
    TeacherConfig,
    UpdateConfig,
)
from tinker_rl.cli.main import find_builder, main


def test_builders_are_found_by_name(tmp_path: Path) -> None:
    assert find_builder("tinker_rl:ProblemFile") is ProblemFile
    for wrong in ("tinker_rl", "tinker_rl:nothing", "tinker_rl:Config", "tinker_rl:train"):
        with pytest.raises(ConfigError):
            find_builder(wrong)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["fly"], "unknown command 'fly'"),
        (["train"], "--env module:Builder"),
        (["distill", "--env", "no_such_module:X"], "cannot be imported"),
        (["train", "--env", "no_such_module:X"], "cannot be imported"),
        (["play"], "the builder is missing"),
        (["resume", "no/such/run"], "holds no run"),
    ],
)
def test_what_goes_wrong_is_one_line_and_status_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert problem in capsys.readouterr().err


def test_every_field_can_be_set_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--env=tinker_rl:ProblemFile", "--help"])
    shown = capsys.readouterr().out
    for option in ("--data.path", "update.loss:ppo", "mode:asynchronous", "--max-steps"):
        assert option in shown


def test_the_command_line_says_what_the_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    monkeypatch.setattr("tinker_rl.cli.main.train", lambda config, existing: found.append(config))
    arguments = "train --env tinker_rl:ProblemFile --data.path x.jsonl --data.group-size 3"
    arguments += f" --model m --run-dir {tmp_path} update.loss:ppo mode:asynchronous"
    main([*arguments.split(), "--mode.max-staleness", "5"])
    assert found == [
        Config(
            model="m",
            run_dir=tmp_path,
            data=ProblemFile(path=Path("x.jsonl"), group_size=3),
            update=UpdateConfig(loss=Ppo()),
            mode=tinker_rl.Asynchronous(max_staleness=5),
        )
    ]


def test_a_teacher_can_be_named_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    monkeypatch.setattr("tinker_rl.cli.main.train", lambda config, existing: found.append(config))
    arguments = f"distill --data.path x.jsonl --data.group-size 3 --model m --run-dir {tmp_path}"
    arguments += " --teacher.model big --teacher.system Be-brief. --coefficient 0.5 --max-steps 4"
    main(arguments.split())
    teacher = TeacherConfig(model="big", system="Be-brief.")
    assert found == [
        Config(
            model="m",
            run_dir=tmp_path,
            data=PromptFile(path=Path("x.jsonl"), group_size=3),
            distillation=Distillation(teachers=(teacher,), coefficient=0.5),
            max_steps=4,
        )
    ]
    main([*arguments.split(), "--env", "tinker_rl:ProblemFile"])
    assert found[1].data == ProblemFile(path=Path("x.jsonl"), group_size=3)
