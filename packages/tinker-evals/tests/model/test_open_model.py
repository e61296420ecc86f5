"""A model is opened by one name, whichever of the three kinds it is."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define, field, frozen

from tinker_core import CheckpointError, ConfigError
from tinker_core.testing import BigramService
from tinker_evals import open_model
from tinker_evals.model.open_model import open_named
from tinker_render import Renderer
from tinker_train import create_run
from tinker_train.files import append_row


@frozen
class RunConfig:
    """As much of a run's config as is read here."""

    model: str = "double"


@define
class Service(BigramService):
    """Notes what is opened, and knows the context of one model, `double`."""

    asked: list[tuple[str | None, str | None]] = field(factory=list)

    def create_sampling_client(
        self, model_path: str | None = None, base_model: str | None = None
    ) -> Any:
        self.asked.append((model_path, base_model))
        return super().create_sampling_client(model_path, base_model)

    async def get_server_capabilities_async(self) -> Any:
        model = SimpleNamespace(model_name="double", max_context_length=512)
        return SimpleNamespace(supported_models=[model])

    def save(self, step: int, renderer: str = "role_colon") -> str:
        client = self.create_lora_training_client("double").result()
        metadata = {"base_model": "double", "renderer": renderer, "step": str(step)}
        return client.save_weights_for_sampler(str(step), user_metadata=metadata).result().path


@pytest.fixture
def service(tmp_path: Path) -> Any:
    return Service(tmp_path / "engine")


@pytest.fixture(autouse=True)
def used(monkeypatch: pytest.MonkeyPatch, renderer: Renderer) -> list[str]:
    """The names of the renderers that were made."""
    names: list[str] = []

    def get_renderer(name: str, *_: object) -> Renderer:
        names.append(name)
        return renderer

    module = "tinker_evals.model.open_model"
    monkeypatch.setattr(f"{module}.get_tokenizer", lambda _: renderer.tokenizer)
    monkeypatch.setattr(f"{module}.get_renderer", get_renderer)
    return names


def run_of(folder: Path, *sampler_paths: str) -> str:
    """A run that saved these checkpoints, and is not complete."""
    run = create_run(folder, RunConfig(), engine="", seed=0)
    for step, path in enumerate(sampler_paths, start=1):
        progress = {"step": step, "tokens": 0, "seconds": 0.0}
        metadata = {"renderer": "role_colon"}
        row = {"name": str(step), "progress": progress, "sampler_path": path, "version": 1}
        append_row(run.checkpoints_file, row | {"metadata": metadata})
    return str(folder)


def test_a_name_is_a_base_model_a_path_or_the_folder_of_a_run(
    service: Any, tmp_path: Path, used: list[str]
) -> None:
    path, old, new = (service.save(step) for step in (7, 1, 2))
    names = ["double", path, run_of(tmp_path / "run", old, new)]
    models = [asyncio.run(open_named(service, name)) for name in names]
    assert service.asked == [(None, "double"), (path, None), (new, None)]
    assert [model.name for model in models] == ["double", path, new]
    assert [model.context_length for model in models] == [512] * 3
    assert used == ["template", "role_colon", "role_colon"]
    assert [model.trained and model.trained.description for model in models] == [
        None,
        f"checkpoint of step 7: {path}",
        f"checkpoint of step 2 of {tmp_path / 'run'} (not the end of the run): {new}",
    ]


def test_the_checkpoint_of_a_step_is_opened(service: Any, tmp_path: Path) -> None:
    old, new = service.save(1), service.save(2)
    run = run_of(tmp_path / "run", old, new)
    model = asyncio.run(open_model(service, checkpoint=run, step=1))
    assert model.name == old
    with pytest.raises(CheckpointError, match="no weights of step 3, only of 1, 2"):
        asyncio.run(open_model(service, checkpoint=run, step=3))
    with pytest.raises(ConfigError, match="only a run directory has steps"):
        asyncio.run(open_model(service, checkpoint=old, step=1))


@pytest.mark.parametrize("asked", [None, "auto", "role_colon", "chatml"])
def test_another_renderer_than_that_of_the_training_is_warned_about(
    service: Any, used: list[str], caplog: pytest.LogCaptureFixture, asked: str | None
) -> None:
    path = service.save(1)
    asyncio.run(open_model(service, checkpoint=path, renderer=asked))
    assert used == ["chatml" if asked == "chatml" else "role_colon"]
    warning = f"{path} was trained with the renderer role_colon, not with chatml"
    assert [record.getMessage() for record in caplog.records] == (
        [warning] if asked == "chatml" else []
    )


def test_what_cannot_be_opened_says_what_is_missing(service: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a base model nor a checkpoint"):
        asyncio.run(open_model(service))
    with pytest.raises(CheckpointError, match="no weights to sample from: no checkpoint yet"):
        asyncio.run(open_named(service, run_of(tmp_path / "run")))
