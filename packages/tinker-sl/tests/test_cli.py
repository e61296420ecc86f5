"""The `tinker-sl` command."""

import json
import shutil
import sys
from contextlib import contextmanager, suppress

import pytest
from attrs import evolve

from tinker_core.testing import hostile_arguments
from tinker_sl import read_config
from tinker_sl.cli import _parse, main
from tinker_train import Cosine, Every, Never


@pytest.fixture(autouse=True)
def double_everywhere(monkeypatch, make_engine, renderer):
    """The double in the place of the engine, and its renderer in that of the model's own."""

    @contextmanager
    def connect():
        yield make_engine()

    for module in ("tinker_train.training", "tinker_train.engine.liveness"):
        monkeypatch.setattr(sys.modules[module], "connect", connect)
    for module in ("training", "sampling", "dry_run"):
        module = sys.modules[f"tinker_sl.{module}"]
        monkeypatch.setattr(module, "renderer_for", lambda model, name=None: renderer)


@pytest.fixture
def arguments(tmp_path, chats):
    return [
        "train",
        *("--model", "double"),
        *("--data.path", str(chats)),
        *("--data.batching.batch-size", "4"),
        *("--run-dir", str(tmp_path / "run")),
        *("--max-steps", "2"),
        *("--adam.learning-rate", "1.0"),
    ]


def test_a_run_from_the_command_line_is_resumed_and_asked_by_its_folder(
    arguments, tmp_path, capsys
):
    main(arguments)
    main(["resume", str(tmp_path / "run")])
    main(["sample", str(tmp_path / "run"), "question 1", "--max-tokens", "4"])
    captured = capsys.readouterr()
    assert "complete after 2 steps" in captured.out
    assert "[cut short at 4 tokens]" in captured.err


def test_options_reach_the_config(arguments, tmp_path):
    main([*arguments, "--checkpoints.every", "7", "--evaluation.every", "never"])
    config = read_config(tmp_path / "run")
    assert config.checkpoints.every == Every(steps=7)
    assert config.evaluation.every == Never()
    assert config.adam.learning_rate == 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a, "already holds a run"),
        (lambda a: [*a, "--run-dir", "elsewhere", "--data.path", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_what_goes_wrong_is_one_line_and_status_2(arguments, capsys, change, said):
    main(arguments)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(change(arguments))
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("tinker-sl: ")
    assert len(error.splitlines()) == 1


def test_a_run_whose_machine_vanished_continues_from_its_mirror(arguments, tmp_path, capsys):
    main(arguments)
    metrics = (tmp_path / "run" / "metrics.jsonl").read_text()
    url = f"memory://{tmp_path.name}/a"
    main([*arguments, "--run-dir", str(tmp_path / "lost"), "--mirror", url])
    shutil.rmtree(tmp_path / "lost")
    main(["resume", url, "--to", str(tmp_path / "found")])
    assert "complete after 2 steps" in capsys.readouterr().out
    config = read_config(tmp_path / "found")
    assert (config.run_dir, config.mirror) == (tmp_path / "found", url)
    rows = (tmp_path / "found" / "metrics.jsonl").read_text()
    losses = [
        [json.loads(row).get("train/nll") for row in text.splitlines()] for text in (rows, metrics)
    ]
    assert losses[0] == losses[1]


def test_no_number_on_the_command_line_ends_in_a_traceback(arguments, tmp_path, capsys):
    taken = []
    for given in hostile_arguments(_parse, arguments):
        with suppress(SystemExit, ValueError):
            taken.append((given, _parse(given)))
    assert ["--seed", "0"] in [given[-2:] for given, _ in taken]
    assert not any(given[-1] in ("-1", "nan") for given, _ in taken)
    for i, (given, _) in enumerate(taken):
        with suppress(SystemExit):
            main([*given, "--run-dir", str(tmp_path / str(i)), "--max-steps", "1"])


@pytest.mark.parametrize("option", ["--lora.rank", "--max-steps", "--num-epochs", "--adam.eps"])
def test_a_refused_value_is_one_line_that_names_its_option(arguments, option, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*arguments, option, "0"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert option.removeprefix("--").split(".")[-1].replace("-", "_") in error
    assert len(error.splitlines()) == 1


def test_options_of_an_optional_part_select_it_in_any_position(arguments, tmp_path):
    main([*arguments, "cosine", "--warmup-steps", "1"])
    assert read_config(tmp_path / "run").schedule == Cosine(warmup_steps=1)


def test_a_config_file_is_named_in_any_position(arguments, tmp_path):
    main(arguments)
    file = str(tmp_path / "run" / "config.json")
    main(["train", "--run-dir", str(tmp_path / "again"), "--max-steps", "1", "--config", file])
    assert read_config(tmp_path / "again").max_steps == 1


def test_a_file_holds_options_and_the_command_line_changes_them(tmp_path, chats):
    file = tmp_path / "run.toml"
    file.write_text(
        f"""
        model = "double"
        run_dir = "{tmp_path / "run"}"
        max_steps = 2
        [data]
        path = "{chats}"
        batching = {{batch_size = 4}}
        [checkpoints]
        every = "1 steps"
        """
    )
    main(["train", "--config", str(file), "--max-steps", "3", "--adam.learning-rate", "0.5"])
    config = read_config(tmp_path / "run")
    assert (config.max_steps, config.adam.learning_rate) == (3, 0.5)
    assert config.checkpoints.every == Every(steps=1)
    assert config.data.batching.batch_size == 4
    main(
        ["train", "--config", str(config.run_dir / "config.json"), "--run-dir", str(tmp_path / "b")]
    )
    assert read_config(tmp_path / "b").adam == config.adam


@pytest.fixture
def more_chats(chats, tmp_path):
    """A second file, whose answers have another letter."""
    path = tmp_path / "more.jsonl"
    path.write_text(chats.read_text().replace("ab", "xx"))
    return path


def test_files_are_mixed_by_weights_from_the_command_line(arguments, tmp_path, chats, more_chats):
    options = [option for option in arguments[1:] if option not in ("--data.path", str(chats))]
    files = ["--data.files", str(chats), "3", str(more_chats), "1"]
    main(["train-mixture", *options, *files, "--data.until", "first_exhausted"])
    config = read_config(tmp_path / "run")
    assert config.data.files == {chats: 3.0, more_chats: 1.0}
    assert config.data.until == "first_exhausted"
    assert (config.data.batching.batch_size, config.max_steps) == (4, 2)
    main(["resume", str(tmp_path / "run")])


def test_files_are_mixed_by_a_config_file_and_by_the_config_of_a_run(tmp_path, chats, more_chats):
    file = tmp_path / "run.toml"
    file.write_text(
        f"""
        model = "double"
        run_dir = "{tmp_path / "run"}"
        [data]
        test_rows = 2
        batching = {{batch_size = 4}}
        [data.files]
        "{chats}" = 3
        "{more_chats}" = 1
        """
    )
    main(["train-mixture", "--config", str(file), "--max-steps", "2"])
    config = read_config(tmp_path / "run")
    assert config.data.files == {chats: 3.0, more_chats: 1.0}
    again = ["--run-dir", str(tmp_path / "again"), "--data.until", "first_exhausted"]
    main(["train", "--config", str(config.run_dir / "config.json"), *again])
    assert read_config(tmp_path / "again").data == evolve(config.data, until="first_exhausted")


def test_a_run_from_python_is_begun_again_by_its_config(make_config, run_on_double, tmp_path):
    config = make_config(max_steps=2)
    run_on_double(config)
    file = tmp_path / "run" / "config.json"
    main(["train", "--config", str(file), "--run-dir", str(tmp_path / "again")])
    rows = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("run", "again")]
    losses = [[json.loads(row).get("train/nll") for row in text.splitlines()] for text in rows]
    assert losses[0] == losses[1]


def test_a_config_of_other_data_is_refused_by_its_file(tmp_path, capsys):
    file = tmp_path / "config.json"
    other = {"type": "tinker_train.optim.adam:Adam"}  # any class that is none of the three
    file.write_text(json.dumps({"model": "double", "run_dir": "run", "data": other}))
    with pytest.raises(SystemExit):
        main(["train", "--config", str(file)])
    assert f"{file} configures no run of `tinker-sl train`" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "train-mixture", "train-hub"])
def test_help_says_what_every_kind_of_data_needs(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    needed = {"train": "path", "train-mixture": "files", "train-hub": "name"}[command]
    assert f"--data.{needed} " in capsys.readouterr().out


def test_a_dry_run_shows_what_would_be_trained_on_and_writes_nothing(arguments, tmp_path, capsys):
    main([*arguments, "--dry-run"])
    said = capsys.readouterr().out
    assert "<|im_start|>assistant" in said
    assert "first batch  4 datums" in said
    assert "steps        2" in said
    assert "s a step on this machine" in said
    assert not (tmp_path / "run").exists()


def test_a_dry_run_shows_the_renderer_of_the_checkpoint_that_the_run_starts_from(
    arguments, tmp_path, renderer, monkeypatch
):
    names = []

    def renderer_for(model, name=None):
        names.append(name)
        return renderer

    main([*arguments, "--renderer", "role_colon"])
    record = json.loads((tmp_path / "run" / "checkpoints.jsonl").read_text().splitlines()[-1])
    monkeypatch.setattr(sys.modules["tinker_sl.dry_run"], "renderer_for", renderer_for)
    second = ["--run-dir", str(tmp_path / "second"), "--start-from", record["state_path"]]
    main([*arguments, *second, "--dry-run"])
    assert names == ["role_colon"]


def test_a_run_whose_data_changed_is_resumed_with_an_option(arguments, tmp_path, chats, capsys):
    main(arguments)
    chats.write_text(chats.read_text() + chats.read_text())
    with pytest.raises(SystemExit) as ended:
        main(["resume", str(tmp_path / "run")])
    assert ended.value.code == 2
    assert "num_rows was 24 and is 48" in capsys.readouterr().err
    main(["resume", str(tmp_path / "run"), "--changed-data"])
    assert "complete after 2 steps" in capsys.readouterr().out


def test_a_dry_run_reports_rows_that_are_skipped_and_the_longest_row(arguments, chats, capsys):
    rows = [{"messages": [{"role": "user", "content": "x" * 900}]}, {"messages": None}]
    long = {"prompt": "q", "completion": "x" * 700}
    lines = [*map(json.dumps, [*rows, long]), "{"]
    chats.write_text(chats.read_text() + "".join(line + "\n" for line in lines))
    main([*arguments, "--dry-run", "--data.reading.bad-row", "skip"])
    said = capsys.readouterr().out
    assert f"data         {chats}: 28 rows" in said
    assert f"tokens, row 27 of {chats}" in said
    assert "skipped    3 rows" in said
    for reason in ("1 x messages: no assistant message", "1 x no known layout", "1 x not JSON"):
        assert reason in said
    assert f"the first: {chats}:25: messages: no assistant message" in said


def test_a_dry_run_reports_rows_over_the_context(arguments, chats, renderer, monkeypatch, capsys):
    known = renderer.with_context_length(60)
    for module in ("training", "dry_run"):
        module = sys.modules[f"tinker_sl.{module}"]
        monkeypatch.setattr(module, "renderer_for", lambda model, name=None: known)
    chats.write_text(chats.read_text() + json.dumps({"prompt": "q", "completion": "x" * 99}) + "\n")
    main([*arguments, "--dry-run"])
    said = capsys.readouterr().out
    assert "context    60 tokens; 1 rows are longer" in said
    assert "too long   1 rows over 60 tokens; 1 datums are cut, 0 dropped" in said
