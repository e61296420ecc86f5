"""`tinker-evals run` checks the data before it asks, and reports what was answered."""

from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

from tinker_core import EngineError
from tinker_evals import Model
from tinker_evals.cli import main
from tinker_train import RunConfig, TrainedModel, create_run

Make = Callable[..., Model]
RUN = "tinker_evals.cli.run"


def status(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Model], None]:
    """Puts a scripted model in the place of every model that is opened."""

    @contextmanager
    def connect() -> Iterator[Any]:
        yield SimpleNamespace(description="a scripted engine", service=None, lives=None)

    def use(model: Model) -> None:
        async def open_model(*arguments: object) -> Model:
            return model

        monkeypatch.setattr(f"{RUN}.connect", connect)
        monkeypatch.setattr(f"{RUN}.open_model", open_model)

    return use


def test_a_run_prints_its_scores_and_writes_a_report(
    tmp_path: Path, scripted: Make, engine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine(scripted("9"))
    assert status("run", "sums", "--limit", "20", "--out", tmp_path / "out") == 0
    assert "sums  strict" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").exists()


def test_data_that_does_not_fit_a_later_task_is_refused_before_the_first_is_asked(
    tmp_path: Path, scripted: Make, engine, capsys: pytest.CaptureFixture[str]
) -> None:
    model = scripted("9")
    engine(model)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"a": 1, "b": 2}\n')
    assert status("run", "sums", "gsm8k", "--data", rows, "--out", tmp_path / "out") == 2
    assert "rows.jsonl:1: gsm8k needs a field" in capsys.readouterr().err
    assert model.client.asked == []  # type: ignore[attr-defined]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [EngineError("the engine has died"), KeyboardInterrupt()])
def test_what_was_answered_before_an_error_is_printed_and_reported(
    tmp_path: Path, scripted: Make, engine, capsys, error: BaseException
) -> None:
    def script(text: str, number: int) -> str:
        if "9+9" in text:
            raise error
        return "9"

    engine(scripted(script))
    arguments = ["--concurrency", "1", "--out", tmp_path / "out"]
    assert status("run", "sums", *arguments) in (2, 130)
    printed = capsys.readouterr()
    assert "sums (not finished)  strict" in printed.out
    assert "99" in printed.out
    assert "Traceback" not in printed.err
    assert (tmp_path / "out" / "report.html").exists()


def test_items_without_an_answer_make_the_status_one(
    tmp_path: Path, scripted: Make, engine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine(scripted(TimeoutError("too slow")))
    arguments = ["--limit", "2", "--retry.backoff-s", "0", "--out", tmp_path / "out"]
    assert status("run", "sums", *arguments) == 1
    assert "2 errored" in capsys.readouterr().out


@pytest.mark.parametrize(("is_end", "folder"), [(True, "mine"), (False, "mine-step-40")])
def test_the_checkpoint_of_a_run_is_named_and_one_before_the_end_has_its_own_folder(
    tmp_path: Path, scripted: Make, engine, capsys, is_end: bool, folder: str
) -> None:
    create_run(tmp_path / "mine", RunConfig(model="m", run_dir=tmp_path), engine="", seed=0)
    model = scripted("9")
    trained = TrainedModel(
        client=model.client,
        path="tinker://run/sampler_weights/40",
        base_model="m",
        renderer=None,
        step=40,
        is_end=is_end,
        description="checkpoint of step 40",
    )
    engine(evolve(model, trained=trained))
    with chdir(tmp_path):
        assert status("run", "sums", "--limit", "1", "--checkpoint", "mine") == 0
    assert "checkpoint of step 40" in capsys.readouterr().out
    assert (tmp_path / "evals" / folder / "sums").is_dir()
