"""The command line, from the terminal's side."""

from __future__ import annotations

import json

import pytest
import torch
from weights_architectures import ARCHITECTURES
from weights_engine import store

import tinker_weights
from tinker_weights.cli.main import main
from tinker_weights.cli.show import size

COMMANDS = (
    *("download", "export-adapter", "merge", "gguf", "publish", "card"),
    *("list", "info", "delete", "ttl"),
)


def run(capsys, *arguments):
    """Exit status, stdout, stderr."""
    try:
        main([str(argument) for argument in arguments])
        status = 0
    except SystemExit as stop:
        status = stop.code or 0
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module")
def checkpoint(save_model, train):
    return train(save_model(ARCHITECTURES["llama tied"]))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_the_function_of_its_name_and_documents_every_option(capsys, command):
    function = getattr(tinker_weights, command.replace("-", "_"))
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    text = " ".join(out.replace("│", " ").split())
    assert function.__doc__.split(".")[0].split("\n")[0].strip() in text
    options = [
        name for name in function.__annotations__ if name not in ("return", "progress", "ask")
    ]
    for name in options:
        described = [line for line in function.__doc__.splitlines() if f" {name}:" in line]
        assert described, name
    assert "--progress" not in out
    assert "--ask" not in out


def test_merging_says_what_was_done(checkpoint, capsys, tmp_path):
    status, out, _ = run(capsys, "merge", checkpoint.adapter, tmp_path / "m", "--dtype", "bfloat16")
    assert status == 0
    assert out == (
        f"{tmp_path / 'm'}: 15 modules merged, bfloat16, "
        "unembedding untied from the input embedding\n"
    )


def test_exporting_says_what_was_done(checkpoint, capsys, tmp_path):
    status, out, _ = run(capsys, "export-adapter", checkpoint.adapter, tmp_path / "a")
    assert (status, out) == (0, f"{tmp_path / 'a'}: 15 modules, rank 4, for peft\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("merge", "nowhere", "out"), "'nowhere' is no tinker:// path"),
        (("merge", "tinker://x", "out"), "invalid checkpoint path 'tinker://x'"),
        (("download", "tinker://r/weights", "out"), "expected tinker://<run>/<kind>/<name>"),
        (("gguf", "nowhere", "out.gguf"), "nowhere is no model's folder"),
        (("gguf", "nowhere", "out.gguf", "--outtype", "q9"), "outtype 'q9' is not one of"),
        (("card", "nowhere", "README.md"), "nowhere holds no run"),
        (("publish", "nowhere", "x"), "'x' is no name on the hub"),
        (("publish", "nowhere", "me/x"), "nowhere holds no adapter"),
        (("delete",), "name at least one checkpoint"),
        (("ttl", "5", "tinker://r/weights/x"), "a lifetime of 5 seconds"),
        (("info", "nowhere"), "nowhere holds no run"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINKER_LOCAL_HOME", str(tmp_path))
    monkeypatch.setenv("TINKER_BASE_URL", "http://127.0.0.1:9")
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("tinker-weights: ")
    if arguments[0] != "delete":  # which asks the engine first
        assert message in line
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_the_version_is_that_of_the_package(capsys):
    assert run(capsys, "--version") == (0, "tinker-weights 0.1.0\n", "")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from tinker_local import start_engine

    home = tmp_path_factory.mktemp("home")
    with start_engine(home=home) as running:
        yield home, running


@pytest.fixture
def saved(engine, tmp_path, monkeypatch):
    """A run that is not complete, and the path of its state."""
    home, running = engine
    monkeypatch.setenv("TINKER_BASE_URL", running.base_url)
    monkeypatch.setenv("TINKER_API_KEY", running.api_key)
    run_dir = tmp_path / "runs" / "one"
    return run_dir, save_a_checkpoint(home, run_dir)


def test_list_and_info_at_the_terminal(saved, capsys):
    run_dir, path = saved
    status, out, _ = run(capsys, "list", run_dir.parent)
    assert status == 0
    assert path in out
    assert f"resume of {run_dir} (step 7)" in out
    status, out, _ = run(capsys, "info", run_dir, "--runs", run_dir.parent)
    assert status == 0
    rows = dict(line.split("  ", 1) for line in out.splitlines())
    values = {key: value.strip() for key, value in rows.items()}
    assert values["LoRA"] == "rank 2 on attn, mlp, unembed"
    assert values["metadata: renderer"] == "chatml"


def test_without_a_terminal_a_question_is_answered_with_no(saved, capsys):
    run_dir, path = saved
    runs = ("--runs", run_dir.parent)
    for command in (("delete", path), ("ttl", "7200", path)):
        status, out, err = run(capsys, *command, *runs)
        assert (status, out) == (2, "")
        assert "is needed: resume of" in err
        assert "--force" in err
    assert run(capsys, "ttl", "7200", path, *runs, "--force")[:2] == (0, f"{path}\n")
    assert run(capsys, "ttl", "never", path, *runs)[:2] == (0, f"{path}\n")
    assert run(capsys, "delete", path, *runs, "--force")[:2] == (0, f"{path}\n")


def save_a_checkpoint(home, run_dir):
    """A state at a local engine, of a run that is not complete."""
    _, path = store(
        home, {"base_model.model.q.lora_A.weight": torch.zeros(1, 2)}, "local/tiny",
        ("session-1:train:0", "weights", "7"), user_metadata={"renderer": "chatml"},
    )  # fmt: skip
    run_dir.mkdir(parents=True)
    config = {"run_id": "x", "config": {"model": "local/tiny"}}
    (run_dir / "config.json").write_text(json.dumps(config))
    record = {"name": "7", "progress": {"step": 7}, "state_path": path}
    (run_dir / "checkpoints.jsonl").write_text(json.dumps(record) + "\n")
    return path


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_500_000, "1.5 MB"), (3 * 10**12, "3.0 TB")],
)
def test_sizes_are_in_units_of_a_thousand(count, text):
    assert size(count) == text


def test_the_public_names_are_these():
    assert sorted(tinker_weights.__all__) == [
        *("CheckpointInfo", "Downloaded", "ExportedAdapter", "GgufFile", "ListedCheckpoint"),
        *("Listing", "MergedModel", "Published"),
        *("card", "delete", "download", "export_adapter", "gguf", "info", "list", "merge"),
        *("publish", "ttl"),
    ]
    assert all(hasattr(tinker_weights, name) for name in tinker_weights.__all__)
