"""Opening a model by name: a base model, a checkpoint, or a run directory."""

from __future__ import annotations

import atexit
import warnings
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

import tinker

from tinker_core import CheckpointError, ConfigError
from tinker_evals.model.model import Model
from tinker_render import get_recommended_renderer_name, get_renderer, get_tokenizer
from tinker_train import connect, engine_errors, read_checkpoints, read_description
from tinker_train.run.directory import RunDirectory, has_run


async def open_model(
    service: tinker.ServiceClient,
    base_model: str | None = None,
    checkpoint: str | None = None,
    renderer: str | None = None,
) -> Model:
    """Open a base model or a checkpoint.

    `checkpoint` is a `tinker://` path, or a run directory for its newest weights. A run directory
    also states the base model and the renderer; the engine states the base model of a path. Raises
    ConfigError, CheckpointError or EngineError.
    """
    path = checkpoint
    if checkpoint is not None and not checkpoint.startswith("tinker://"):
        path = _newest_weights(Path(checkpoint))
        config = read_description(Path(checkpoint))["config"]
        base_model = base_model or config.get("model")
        renderer = renderer or config.get("renderer")
    if base_model is None and path is None:
        raise ConfigError("neither a base model nor a checkpoint is given")
    with engine_errors(f"weights {path}" if path else f"model {base_model!r}"):
        client: tinker.SamplingClient = await service.create_sampling_client(
            model_path=path, base_model=None if path else base_model
        )
    base_model = base_model or client.get_base_model()
    name = renderer or get_recommended_renderer_name(base_model)
    return Model(
        name=path or base_model,
        client=client,
        renderer=get_renderer(name, get_tokenizer(base_model)),
        context_length=await _context_length(service, base_model),
    )


async def open_named(service: tinker.ServiceClient, name: str) -> Model:
    """`open_model` by one name: a base model, a `tinker://` path, or a run directory."""
    is_checkpoint = name.startswith("tinker://") or has_run(Path(name))
    return await open_model(service, **{"checkpoint" if is_checkpoint else "base_model": name})


async def _context_length(service: tinker.ServiceClient, base_model: str) -> int | None:
    with warnings.catch_warnings():
        # Deprecated in favour of tinker.RestClient, which needs the engine's address and key.
        warnings.simplefilter("ignore", FutureWarning)
        asked = service.get_server_capabilities_async()
    with engine_errors("capabilities"):
        models = (await asked).supported_models
    known = {model.model_name: model.max_context_length for model in models}
    return known.get(base_model)


@cache
def process_service() -> tinker.ServiceClient:
    """The service of an engine that lives as long as this process, for tools like Inspect."""
    stack = ExitStack()
    atexit.register(_close, stack)
    return stack.enter_context(connect()).service


def _close(stack: ExitStack) -> None:
    with suppress(RuntimeError):  # at exit, the SDK cannot start threads to close its session
        stack.close()


def _newest_weights(run: Path) -> str:
    records = read_checkpoints(RunDirectory(run).checkpoints_file)
    paths = [record.sampler_path for record in records if record.sampler_path is not None]
    if not paths:
        raise CheckpointError(f"{run} has saved no weights to sample from; resume it first")
    return paths[-1]
