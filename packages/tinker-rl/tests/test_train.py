"""From a config to a run: files, the command line, a person who plays, and what is imported."""

import asyncio
import json
import subprocess
import sys
import time
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
    Learning,
    Loss,
    ProblemFile,
    PromptFile,
    RLData,
    Sampling,
    TeacherConfig,
    play,
    read_config,
    resume,
    train,
    train_on,
)
from tinker_rl.cli.main import find_builder, main
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
    fields = {name: getattr(config, name) for name in Config.__annotations__}
    fields |= {
        "kl_penalty": KLPenalty(coefficient=0.1),
        "distillation": Distillation(teachers=(teacher,)),
        "learning": Learning(loss=Loss(name="importance_sampling")),
    }
    result = run(Config(**fields), service)
    assert {"teacher_kl", "kl_policy_reference"} <= set(result.metrics)
    foreign = TeacherConfig(model=config.model, renderer="role_colon")
    fields["distillation"] = Distillation(teachers=(foreign,))
    with pytest.raises(ConfigError, match="other tokens"):
        renderer_of(Config(**fields))


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
    monkeypatch.setattr(sys.modules["tinker_rl.train"], "connect", lambda: nullcontext(engine))
    asked = WithModels(rows=config.data)
    config = evolve(config, data=asked, max_steps=1)
    assert train(config).step == 1
    assert resume(config.run_dir).step == 1
    with pytest.raises(EngineError, match="the models of the environments"):
        train(evolve(config, data=evolve(asked, opponent="tinker://no/such"), run_dir=other))
    assert not other.exists()
    with pytest.raises(SystemExit):
        main(["play", f"{__name__}:WithModels"])
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


def test_a_person_can_be_the_model(config: Config) -> None:
    renderer = renderer_of(config)
    data = config.data.build(renderer=renderer, seed=0)
    asked: list[str] = []
    said: list[str] = []
    answers = iter(["1", "2"] * 2)

    asking: list[str] = []

    def ask(text: str) -> str:
        asking.append(text)
        asked.append(text)
        time.sleep(0.01)
        assert asking == [text], "asked twice at once"
        asking.clear()
        return next(answers)

    group = asyncio.run(play(data.train.get_batch(0)[0], renderer, ask=ask, say=said.append))
    assert sorted(group.rewards.tolist()) == [0.0, 0.0, 1.0, 1.0]
    assert asked[0].endswith("<|im_start|>assistant\n")
    assert "reward 1, completed" in " ".join(said)


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
    for option in ("--data.path", "--learning.loss.name", "mode:asynchronous", "--max-steps"):
        assert option in shown


def test_the_command_line_says_what_the_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    monkeypatch.setattr("tinker_rl.cli.main.train", lambda config, existing: found.append(config))
    arguments = "train --env tinker_rl:ProblemFile --data.path x.jsonl --data.group-size 3"
    arguments += f" --model m --run-dir {tmp_path} --learning.loss.name ppo mode:asynchronous"
    main([*arguments.split(), "--mode.max-staleness", "5"])
    assert found == [
        Config(
            model="m",
            run_dir=tmp_path,
            data=ProblemFile(path=Path("x.jsonl"), group_size=3),
            learning=Learning(loss=Loss(name="ppo")),
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


def test_nothing_here_needs_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import tinker_rl, tinker_rl.cli.main"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_there() -> None:
    assert sorted(tinker_rl.__all__) == sorted(set(tinker_rl.__all__))
    known = "Env EnvGroupBuilder RLDataset RLDatasetBuilder ProblemEnv TokenCompleter"
    for name in [*known.split(), "MessageCompleter", *tinker_rl.__all__]:
        assert hasattr(tinker_rl, name)
