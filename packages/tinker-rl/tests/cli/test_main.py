"""The `tinker-rl` command."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tinker_rl
from tinker_core import ConfigError
from tinker_core.testing import hostile_arguments
from tinker_rl import (
    Config,
    Distillation,
    KLPenalty,
    Ppo,
    ProblemFile,
    PromptFile,
    TeacherConfig,
    UpdateConfig,
)
from tinker_rl.cli.main import _parse, find_builder, main


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
        (["play"], "module:Builder"),
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


def test_no_number_on_the_command_line_ends_in_a_traceback(tmp_path: Path) -> None:
    needed = f"--model m --run-dir {tmp_path} --data.path x --kl-penalty.coefficient 1"
    parts = "update.loss:ppo kl-penalty:kl-penalty mode:streaming"
    train = ["train", *parts.split(), *["--env", "tinker_rl:ProblemFile"], *needed.split()]
    for given in hostile_arguments(_parse, train):
        with suppress(SystemExit, ValueError):
            assert callable(_parse(given)), given


def test_options_of_optional_parts_select_them_in_any_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    monkeypatch.setattr(
        "tinker_rl.cli.main._training", lambda config, _: partial(found.append, config)
    )
    options = f"--env tinker_rl:ProblemFile --data.path x --model m --run-dir {tmp_path}".split()
    penalty = ["--kl-penalty.coefficient", "0.02"]
    staleness = ["--mode.max-staleness=3"]
    for given in (
        [*penalty, *options, *staleness],
        [*options, "mode:asynchronous", *penalty, *staleness],
        [*options[:2], *staleness, *options[2:], *penalty, "schedule:linear"],
    ):
        main(["train", *given])
    assert {config.kl_penalty for config in found} == {KLPenalty(coefficient=0.02)}
    assert {config.mode for config in found} == {tinker_rl.Asynchronous(max_staleness=3)}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("trian --modl m", "unknown command 'trian'; did you mean train?"),
        ("train --modl m", "unknown option --modl; did you mean --model"),
        ("train --mode.max-stalenes 1", "did you mean --mode.max-staleness"),
        ("train mode:asynchronus", "unknown argument 'mode:asynchronus'; did you mean mode:"),
        ("train --env=tinker_rl:ProblemFile --data.pth x", "did you mean --data.path"),
        ("train --schedule.warmup 3", "did you mean --schedule.warmup-steps"),
    ],
)
def test_a_misspelt_name_is_reported_before_what_is_missing(
    arguments: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert problem in error
    assert len(error.splitlines()) == 1


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
    monkeypatch.setattr(
        "tinker_rl.cli.main._training", lambda config, _: partial(found.append, config)
    )
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
    monkeypatch.setattr(
        "tinker_rl.cli.main._training", lambda config, _: partial(found.append, config)
    )
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
