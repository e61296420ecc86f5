"""A model is opened by one name, whichever of the three kinds it is."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import field, frozen

from tinker_core import CheckpointError, ConfigError
from tinker_evals import open_model
from tinker_evals.model.open_model import open_named
from tinker_render import Renderer
from tinker_train import create_run
from tinker_train.files import append_row


@frozen
class RunConfig:
    """As much of a run's config as is read here."""

    model: str = "double"


@frozen
class Service:
    """Knows one model, `double`, and every path as its checkpoint; notes what is asked for."""

    asked: list[tuple[str | None, str | None]] = field(factory=list)

    async def create_sampling_client(self, model_path: str | None, base_model: str | None) -> Any:
        self.asked.append((model_path, base_model))
        return SimpleNamespace(get_base_model=lambda: "double")

    async def get_server_capabilities_async(self) -> Any:
        model = SimpleNamespace(model_name="double", max_context_length=512)
        return SimpleNamespace(supported_models=[model])


@pytest.fixture(autouse=True)
def one_family(monkeypatch: pytest.MonkeyPatch, renderer: Renderer) -> None:
    module = "tinker_evals.model.open_model"
    for name, value in (("get_tokenizer", renderer.tokenizer), ("get_renderer", renderer)):
        monkeypatch.setattr(f"{module}.{name}", lambda *_, value=value: value)
    monkeypatch.setattr(f"{module}.get_recommended_renderer_name", lambda _: "chatml")


def finished_run(folder: Path, *sampler_paths: str) -> str:
    run = create_run(folder, RunConfig(), engine="", seed=0)
    for step, path in enumerate(sampler_paths, start=1):
        progress = {"step": step, "tokens": 0, "seconds": 0.0}
        row = {"name": str(step), "progress": progress, "sampler_path": path, "version": 1}
        append_row(run.checkpoints_file, row)
    return str(folder)


def test_a_name_is_a_base_model_a_path_or_the_folder_of_a_run(tmp_path: Path) -> None:
    service: Any = Service()
    names = [
        "double",
        "tinker://a/b",
        finished_run(tmp_path / "run", "tinker://old", "tinker://new"),
    ]
    models = [asyncio.run(open_named(service, name)) for name in names]
    assert service.asked == [(None, "double"), ("tinker://a/b", None), ("tinker://new", None)]
    assert [model.name for model in models] == ["double", "tinker://a/b", "tinker://new"]
    assert [model.context_length for model in models] == [512] * 3


def test_what_cannot_be_opened_says_what_is_missing(tmp_path: Path) -> None:
    service: Any = Service()
    with pytest.raises(ConfigError, match="neither a base model nor a checkpoint"):
        asyncio.run(open_model(service))
    with pytest.raises(CheckpointError, match="saved no weights"):
        asyncio.run(open_named(service, finished_run(tmp_path / "run")))
