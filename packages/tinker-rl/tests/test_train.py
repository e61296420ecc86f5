"""From a config to a run directory."""

import asyncio
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

import tinker_rl
from tinker_core import ConfigError, EngineError, RunDirectoryError
from tinker_core.testing import BigramService
from tinker_render import Renderer
from tinker_rl import (
    Checkpoints,
    Config,
    Distillation,
    Evaluation,
    KLPenalty,
    ProblemFile,
    RLData,
    Sampling,
    TeacherConfig,
    read_config,
    resume,
    train,
    train_on,
)
from tinker_rl.cli.main import main
from tinker_rl.train import renderer_of
from tinker_train import Adam, Engine, Every, from_plain, to_plain


@pytest.fixture
def model(renderer: Any, tmp_path: Path) -> str:
    """A folder with the tokenizer of the tests; the double takes any name for a model."""
    renderer.tokenizer.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def config(model: str, tmp_path: Path) -> Config:
    (tmp_path / "rows.jsonl").write_text('{"question": "1", "answer": "1"}\n' * 6)
    return Config(
        model=model,
        renderer="chatml_plain",
        data=ProblemFile(
            path=tmp_path / "rows.jsonl", groups_per_batch=2, group_size=4, test_rows=2
        ),
        run_dir=tmp_path / "run",
        adam=Adam(learning_rate=0.1),
        sampling=Sampling(max_tokens=3),
        checkpoints=Checkpoints(every=Every(steps=1)),
        evaluation=Evaluation(every=Every(steps=1)),
    )


def test_a_run_whose_problems_changed_is_not_resumed(
    config: Config, service: BigramService
) -> None:
    run(config, service)
    assert isinstance(config.data, ProblemFile)
    config.data.path.write_text('{"question": "1", "answer": "1"}\n' * 5)
    with pytest.raises(RunDirectoryError, match=r"rows\.jsonl: .*num_rows was 6 and is 5"):
        run(config, service)


@frozen(kw_only=True)
class WithModels:
    """Problems of a file, for which a model of the engine is asked for."""

    rows: ProblemFile
    opponent: str | None = None

    async def build_on(self, service: Any, *, renderer: Renderer, seed: int) -> RLData:
        await service.create_sampling_client(model_path=self.opponent)
        return self.rows.build(renderer=renderer, seed=seed)


def run(config: Config, service: Any) -> tinker_rl.TrainResult:
    service.vocab_size = 128
    engine = Engine(service=service, kind="local", description="the double")
    data = config.data.build(renderer=renderer_of(config), seed=config.seed)
    return asyncio.run(train_on(engine, config, data))


def test_a_run_leaves_its_config_metrics_checkpoints_and_transcripts(
    config: Config, service: BigramService, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(config, service)
    assert (result.step, result.end) == (2, "complete")
    names = {path.name for path in config.run_dir.rglob("*") if path.is_file()}
    assert {"config.json", "metrics.jsonl", "checkpoints.jsonl", "logs.log"} <= names
    assert {"train-000000.jsonl", "train-000001.html", "test-000002.jsonl"} <= names
    text = (config.run_dir / "transcripts" / "train-000000.jsonl").read_text()
    prompt = json.loads(text.splitlines()[0])["turns"][0]["prompt"]
    assert prompt == "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n"
    assert read_config(config.run_dir) == config
    assert "test/env/all/reward" in result.metrics
    assert "the double" in capsys.readouterr().out


def test_references_and_teachers_are_found_by_the_config(
    config: Config, service: BigramService
) -> None:
    teacher = TeacherConfig(model=config.model, renderer="chatml_plain", system="Be 1.")
    config = evolve(
        config,
        kl_penalty=KLPenalty(coefficient=0.1),
        distillation=Distillation(teachers=(teacher,)),
    )
    result = run(config, service)
    assert {"teacher_kl", "kl_policy_reference"} <= set(result.metrics)
    foreign = TeacherConfig(model=config.model, renderer="role_colon")
    with pytest.raises(ConfigError, match="other tokens"):
        renderer_of(evolve(config, distillation=Distillation(teachers=(foreign,))))


@pytest.mark.parametrize("trained", ["chatml_plain", "role_colon"])
def test_a_reference_or_teacher_of_another_renderer_is_warned_about(
    config: Config, service: BigramService, caplog: pytest.LogCaptureFixture, trained: str
) -> None:
    service.vocab_size = 128
    training = service.create_lora_training_client("m").result()
    metadata = {"renderer": trained}
    path = training.save_weights_for_sampler("1", user_metadata=metadata).result().path
    teacher = TeacherConfig(model=config.model, renderer="chatml_plain", checkpoint=path)
    config = evolve(
        config,
        renderer="chatml_plain",
        kl_penalty=KLPenalty(coefficient=0.1, reference=path),
        distillation=Distillation(teachers=(teacher,)),
    )
    run(config, service)
    warning = f"{path} was trained with the renderer role_colon, not with chatml_plain"
    expected = [warning] * 2 if trained == "role_colon" else []
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == expected


def test_data_may_need_models_of_the_engine(
    config: Config,
    service: BigramService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.vocab_size = 128
    other = tmp_path / "other"
    engine = Engine(service=service, kind="local", description="the double")
    monkeypatch.setattr(
        sys.modules["tinker_train.engine.liveness"], "connect", lambda: nullcontext(engine)
    )
    asked = WithModels(rows=config.data)
    config = evolve(config, data=asked, max_steps=1)
    assert train(config).step == 1
    assert resume(config.run_dir).step == 1
    with pytest.raises(EngineError, match="the models of the environments"):
        train(evolve(config, data=evolve(asked, opponent="tinker://no/such"), run_dir=other))
    assert not other.exists()
    with pytest.raises(SystemExit):
        main(["play", f"{__name__}:WithModels", "--data.rows.path", "x"])
    assert "asks models" in capsys.readouterr().err


def test_a_config_survives_being_written_down(config: Config) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(config)))) == config


def test_a_folder_with_another_run_is_refused_before_anything_is_spent(
    config: Config, service: BigramService
) -> None:
    run(config, service)
    with pytest.raises(RunDirectoryError, match="already holds a run"):
        train(config)
    (config.run_dir / "config.json").write_text('{"config": {"type": "tinker_train:Adam"}}')
    with pytest.raises(
        ConfigError,
        match=r"holds a run of tinker_train\.optim\.adam\.Adam, not of tinker_rl\.config\.Config",
    ):
        read_config(config.run_dir)
