"""The frame of every command line."""

from importlib.metadata import version

import pytest
from attrs import field, frozen, validators

from tinker_core import ConfigError
from tinker_core.command_line import run_command_line


@frozen
class Settings:
    seed: int = field(validator=validators.ge(0))


def run(command, arguments=()):
    run_command_line("tinker-core", lambda _: command, arguments)


def test_a_command_that_succeeds_returns_to_the_caller():
    assert run(lambda: None) is None
    assert run(lambda: 0) is None
    assert run(lambda: "a result") is None


def test_the_status_of_the_command_is_the_exit_status():
    with pytest.raises(SystemExit) as ended:
        run(lambda: 3)
    assert ended.value.code == 3


def test_parse_receives_the_arguments_and_by_default_those_of_the_process(monkeypatch):
    seen = []

    def parse(arguments):
        seen.append(arguments)
        return lambda: None

    run_command_line("tinker-core", parse, ("train", "--seed", "1"))
    monkeypatch.setattr("sys.argv", ["tinker-core", "resume"])
    run_command_line("tinker-core", parse)
    assert seen == [["train", "--seed", "1"], ["resume"]]


def test_an_expected_error_is_one_line_on_stderr_and_status_2(capsys):
    def command():
        raise ConfigError("rank: must be positive,\n    not 0")

    with pytest.raises(SystemExit) as ended:
        run(command)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.err == "tinker-core: rank: must be positive, not 0\n"
    assert captured.out == ""


def test_an_expected_error_while_parsing_is_the_same(capsys):
    def parse(_):
        raise ConfigError("run.toml cannot be read")

    with pytest.raises(SystemExit) as ended:
        run_command_line("tinker-core", parse, [])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "tinker-core: run.toml cannot be read\n"


def test_a_value_that_a_validator_refuses_is_one_line_without_the_attribute(capsys):
    with pytest.raises(SystemExit) as ended:
        run_command_line("tinker-core", lambda _: Settings(seed=-1), [])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "seed" in error
    assert "-1" in error
    assert "Attribute" not in error
    assert len(error.splitlines()) == 1


def test_a_defect_keeps_its_traceback():
    def command():
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        run(command)


def test_ctrl_c_ends_with_130_and_without_a_traceback(capsys):
    def command():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run(command)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "tinker-core: interrupted\n"


def test_a_file_that_cannot_be_used_is_one_line_with_the_reason_of_the_system(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run((tmp_path / "missing").read_text)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error == f"tinker-core: {tmp_path / 'missing'}: No such file or directory\n"


def test_version_is_printed_after_a_command_too(capsys):
    run_command_line("tinker-core", lambda _: pytest.fail, ["train", "--version"])
    assert capsys.readouterr().out == f"tinker-core {version('tinker-core')}\n"


def test_version_prints_the_version_of_the_distribution_and_runs_nothing(capsys):
    def parse(_):
        raise AssertionError("nothing is parsed")

    run_command_line("tinker-core", parse, ["--version"])
    assert capsys.readouterr().out == f"tinker-core {version('tinker-core')}\n"
