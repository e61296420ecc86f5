"""Opening a model by name: a base model, a checkpoint, or a run directory."""

from __future__ import annotations

import atexit
import warnings
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

import tinker

from tinker_core import ConfigError
from tinker_evals.model.model import Model
from tinker_render import get_renderer, get_tokenizer, renderer_name_for
from tinker_train import connect, engine_errors, open_trained_model
from tinker_train.run.directory import has_run


async def open_model(
    service: tinker.ServiceClient,
    base_model: str | None = None,
    checkpoint: str | None = None,
    renderer: str | None = None,
    step: int | None = None,
) -> Model:
    """Open a base model or a checkpoint.

    `checkpoint` is a `tinker://` path, or a run directory for its newest weights or those of a
    `step`. A checkpoint also states its base model and the renderer of its training; another
    `renderer` is used with a warning. Raises ConfigError, CheckpointError or EngineError.
    """
    if checkpoint is not None:
        trained = await open_trained_model(service, checkpoint, step=step, renderer=renderer)
        renderer, base_model = trained.renderer, base_model or trained.base_model
        name, client = trained.path, trained.client
    elif base_model is not None:
        trained, name = None, base_model
        with engine_errors(f"model {base_model!r}"):
            client = await service.create_sampling_client(model_path=None, base_model=base_model)
    else:
        raise ConfigError("neither a base model nor a checkpoint is given")
    tokenizer = get_tokenizer(base_model)
    return Model(
        name=name,
        client=client,
        renderer=get_renderer(renderer_name_for(base_model, renderer), tokenizer),
        context_length=await _context_length(service, base_model),
        trained=trained,
    )


async def open_named(service: tinker.ServiceClient, name: str) -> Model:
    """`open_model` by one name: a base model, a `tinker://` path, or a run directory."""
    if name.startswith("tinker://") or has_run(Path(name)):
        return await open_model(service, checkpoint=name)
    return await open_model(service, name)


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
