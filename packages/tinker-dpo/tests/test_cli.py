"""The command line: what it refuses, and how it says so."""

import pytest

from tinker_dpo.cli import main


def test_a_mistake_of_the_users_is_one_line_and_status_2(tmp_path, capsys, renderer) -> None:
    renderer.tokenizer.save_pretrained(tmp_path / "model")
    rows = tmp_path / "pairs.jsonl"
    rows.write_text('{"prompt": "q", "chosen": "a", "rejected": "a"}\n')
    model = ["--model", str(tmp_path / "model"), "--renderer", "chatml_plain"]
    run = ["--run-dir", str(tmp_path / "run"), "--data.path", str(rows)]
    with pytest.raises(SystemExit) as caught:
        main(["train", *model, *run])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("tinker-dpo: ")
    assert "pairs.jsonl:1: chosen: both sides are the same" in error
    assert not (tmp_path / "run").exists()


def test_help_names_every_objective_and_every_field(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = capsys.readouterr().out
    for name in ("dpo", "ipo", "sim-po", "orpo", "kto", "bradley-terry"):
        assert f"• {name} " in text
    for field in ("--data.path", "--selection.bad-row", "--adam.learning-rate", "--reference"):
        assert field in text


def test_resuming_a_folder_without_a_run_is_refused(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["resume", str(tmp_path)])
    assert caught.value.code == 2
    assert "holds no run" in capsys.readouterr().err
