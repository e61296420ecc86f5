"""The `tinker-train` command."""

import json

import pytest

from tinker_train import Adam
from tinker_train.cli import main
from tinker_train.log.trace import scope, tracing


def test_the_command_lists_runs_and_writes_their_report(make_run, tmp_path, capsys):
    run = make_run("one", Adam(), [3.0, 2.0])
    broken = make_run("broken", Adam(), [1.0])
    broken.config_file.write_text("{")
    main(["runs", str(tmp_path)])
    said = capsys.readouterr().out
    assert "runs/one" in said
    assert "not complete" in said
    assert "damaged: " in said
    main(["report", str(run.path)])
    assert run.report_file.exists()
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path)])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("tinker-train: ")


def test_the_command_turns_a_trace_into_one_for_perfetto(make_run, tmp_path, capsys):
    run = make_run("one", Adam(), [1.0])
    with pytest.raises(SystemExit):
        main(["trace", str(run.path)])
    assert "was not traced" in capsys.readouterr().err
    with tracing(run.trace_file), scope("render"):
        pass
    main(["trace", str(run.path), "--to", str(tmp_path / "t.json")])
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert [event["name"] for event in events if event["ph"] == "X"] == ["render"]
