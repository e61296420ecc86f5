"""The `tinker-train` command."""

import json

import pytest

from tinker_train import Adam
from tinker_train.cli import main
from tinker_train.files import append_row
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


def test_runs_are_mapped_to_the_paths_and_folders_of_their_checkpoints(
    make_run, tmp_path, capsys, monkeypatch
):
    run = make_run("one", Adam(), [3.0, 2.0])
    for step in (5, 10):
        row = {"name": str(step), "progress": {"step": step}, "version": 1}
        paths = {f"{kind}_path": f"tinker://r/{kind}/{step}" for kind in ("state", "sampler")}
        append_row(run.checkpoints_file, row | paths)
    package = tmp_path / "engine-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: engine\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[tinker.checkpoints]\nstored = engine:stored\n")
    (tmp_path / "engine.py").write_text(
        "def stored(path):\n    return '/store' + path[8:] if 'state' in path else None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    newest = ["  step 10: tinker://r/state/10 in /store/r/state/10"]
    newest += ["  step 10: tinker://r/sampler/10"]
    main(["runs", str(tmp_path)])
    assert capsys.readouterr().out.splitlines()[-3:] == ["runs/one: 2 checkpoints", *newest]
    main(["runs", str(tmp_path), "--all-checkpoints"])
    older = [line.replace("10", "5") for line in newest]
    assert capsys.readouterr().out.splitlines()[-4:] == [*older, *newest]


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
