"""The frame of every training run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import tinker
from attrs import evolve, frozen

from tinker_core import EngineError, Fingerprint, TokenizerError
from tinker_core.suggestion import did_you_mean
from tinker_train.checkpoint.metadata import read_metadata, trained_renderer
from tinker_train.checkpoint.record import CheckpointRecord, last_checkpoint
from tinker_train.engine.connect import Engine, connect
from tinker_train.engine.liveness import refuse_running_loop, run_on_engine
from tinker_train.engine.training_client import create_training_client, load_training_client
from tinker_train.evaluation.evaluator import SamplingClientEvaluator
from tinker_train.log.trace import tracing
from tinker_train.report.page import write_report
from tinker_train.run.config import RunConfig
from tinker_train.run.data import check_same_data, record_data
from tinker_train.run.description import read_run_config
from tinker_train.run.directory import RunDirectory
from tinker_train.run.lock import lock_run
from tinker_train.run.metadata import lora_shape, run_metadata
from tinker_train.run.mirror import mirroring, open_filesystem
from tinker_train.run.open import Existing, Run, check_run_directory, open_run
from tinker_train.run.result import TrainResult

C = TypeVar("C", bound=RunConfig)
D = TypeVar("D")
Evaluators = Sequence[SamplingClientEvaluator]


@frozen(kw_only=True)
class Algorithm(Generic[C, D]):
    """The frame of a training algorithm: everything but its config class, its data and its loop."""

    config: type[C]
    renderer: Callable[[C], Any]
    """The renderer of a config; a `tinker_render.Renderer`."""
    renderer_name: Callable[[C], str]
    """The name of that renderer."""
    open_data: Callable[[C, Any], D]
    """Opens the data of a config with a renderer; raises for all that no engine is needed for."""
    loop: Callable[[C, tinker.TrainingClient, D, Run, Evaluators], Coroutine[Any, Any, TrainResult]]
    complete_data: Callable[[C, D, tinker.ServiceClient], Coroutine[Any, Any, D]] | None = None
    """Completes the data with models of the engine, before the run directory is made."""

    def train(
        self, config: C, *, existing: Existing = "refuse", changed_data: bool = False
    ) -> TrainResult:
        """Train from a config to its end; `existing="resume"` continues the run in its directory.

        Everything that can be checked without an engine is checked first, and the run directory is
        made only when there is a model to train. A run that starts from a checkpoint takes the
        renderer of that checkpoint unless the config names one. A run whose data changed is
        continued only with `changed_data`. Raises what is in `tinker_core.errors`.
        """
        instead = "`with connect() as engine: await train_on(engine, config)`"
        refuse_running_loop(instead)
        check_run_directory(config.run_dir, config, existing)
        data, evaluators = None, None
        if config.start_from is None:  # else the engine knows the renderer
            used = _with_renderer_of_run(config)
            with tokenizer_errors(used.model):
                data = self.open_data(used, self.renderer(used))
            if not changed_data:
                check_same_data(config.run_dir, _fingerprints(data))
            evaluators = self._evaluators(used)
        return run_on_engine(
            lambda engine: self.train_on(
                engine, config, data, evaluators, changed_data=changed_data
            ),
            instead=instead,
        )

    def resume(self, run_dir: Path, *, changed_data: bool = False) -> TrainResult:
        """Continue the run in a directory with its own config; the directory may have moved."""
        config = self.read_config(run_dir)
        return self.train(config, existing="resume", changed_data=changed_data)

    async def train_on(
        self,
        engine: Engine,
        config: C,
        data: D | None = None,
        evaluators: Evaluators | None = None,
        *,
        changed_data: bool = False,
    ) -> TrainResult:
        """Train on a connected engine; data and evaluators are those of the config unless given."""
        used = await with_trained_renderer(engine.service, config)
        if data is None:
            data = self.open_data(used, self.renderer(used))
        if evaluators is None:
            evaluators = self._evaluators(used)
        if self.complete_data is not None:
            data = await self.complete_data(used, data, engine.service)
        if not changed_data:
            check_same_data(config.run_dir, _fingerprints(data))
        frame = training_run(
            engine, config, renderer=self.renderer_name(used), fingerprints=_fingerprints(data)
        )
        async with frame as (training, run):
            return await self.loop(used, training, data, run, evaluators)

    def read_config(self, run_dir: Path) -> C:
        """The config of the run in a directory; raises RunDirectoryError or ConfigError."""
        return read_run_config(run_dir, self.config)

    def _evaluators(self, config: C) -> Evaluators:
        return [builder.build(renderer=self.renderer(config)) for builder in config.evaluators]


def _fingerprints(data: Any) -> Sequence[Fingerprint]:
    """The fingerprints of opened data; empty for data without any."""
    found: Sequence[Fingerprint] = getattr(data, "fingerprints", ())
    return found


@contextmanager
def tokenizer_errors(model: str) -> Iterator[None]:
    """Add the names of the engine's models to a TokenizerError: that of the run may be misspelt."""
    try:
        yield
    except TokenizerError as error:
        raise TokenizerError(f"{_models_of_engine(model)}; {error}") from error


def _models_of_engine(model: str) -> str:
    try:
        with connect() as engine:
            names = asyncio.run(engine.models()) if engine.models is not None else ()
            similar = did_you_mean(model, names)
            known = f"{engine.description}, has {', '.join(names) or 'no models'}"
            return f"unknown model {model!r}; {similar or known}"
    except EngineError as error:
        return str(error)


def _with_renderer_of_run(config: C) -> C:
    """The config with the renderer of the checkpoint that the run in its directory resumes from."""
    checkpoint = last_checkpoint(RunDirectory(config.run_dir).checkpoints_file)
    if checkpoint is None:
        return config
    where = str(config.run_dir)
    return evolve(config, renderer=trained_renderer(checkpoint.metadata, where, config.renderer))


async def with_trained_renderer(service: tinker.ServiceClient, config: C) -> C:
    """The config with the renderer of the checkpoint that its run resumes or starts from.

    A renderer that the config names is kept, with a warning if it is another one.
    """
    path = config.start_from
    if path is None or last_checkpoint(RunDirectory(config.run_dir).checkpoints_file) is not None:
        return _with_renderer_of_run(config)
    metadata = await read_metadata(service, path)
    return evolve(config, renderer=trained_renderer(metadata, path, config.renderer))


@asynccontextmanager
async def training_run(
    engine: Engine,
    config: RunConfig,
    *,
    renderer: str | None = None,
    fingerprints: Sequence[Fingerprint] = (),
) -> AsyncIterator[tuple[tinker.TrainingClient, Run]]:
    """The training client and the open run: a new one, or the one in `run_dir` at its checkpoint.

    The run directory is locked and calls are traced for the length of the block; `report.html` is
    written at its end. The name of the renderer and the fingerprints of the data are saved with the
    checkpoints. Call `check_run_directory` first. Raises RunDirectoryError if another
    process trains in the run directory, and EngineError for a model that cannot be had.
    """
    if config.mirror is not None:
        open_filesystem(config.mirror)
    with lock_run(config.run_dir):
        training = await _training_client(engine.service, config)
        with open_run(
            config.run_dir,
            config,
            engine=engine.description,
            seed=config.seed,
            reporting=config.reporting,
        ) as opened:
            record_data(config.run_dir, fingerprints)
            metadata = run_metadata(
                config,
                config.renderer if renderer is None else renderer,
                await _lora_shape(engine.service, config, opened.resumed),
                fingerprints,
            )
            run = evolve(opened, engine=engine, metadata=metadata)
            run.console.say(engine.description)
            if run.resumed is not None:
                run.console.say(f"resuming {run.directory.path} after step {run.resumed.step}")
            with mirroring(config.run_dir, config.mirror, run.console.say):
                with tracing(run.directory.trace_file):
                    yield training, run
                write_report([config.run_dir], run.directory.report_file)


async def _lora_shape(
    service: tinker.ServiceClient, config: RunConfig, resumed: CheckpointRecord | None
) -> Mapping[str, str]:
    """The shape of the LoRA in training; that of a checkpoint if it starts from one."""
    if resumed is None and config.start_from is None:
        return lora_shape(config.lora)
    start = resumed.metadata if resumed else await read_metadata(service, str(config.start_from))
    return {key: start[key] for key in lora_shape(config.lora) if key in start}


async def start_training_client(
    service: tinker.ServiceClient, config: RunConfig
) -> tinker.TrainingClient:
    """The model before the run's first step: a new LoRA, or the weights of `start_from`."""
    if config.start_from is not None:
        return await load_training_client(service, config.start_from, optimizer=False)
    return await create_training_client(service, config.model, config.lora, seed=config.seed)


async def _training_client(
    service: tinker.ServiceClient, config: RunConfig
) -> tinker.TrainingClient:
    """The model of the run's last checkpoint with its optimizer, or a model to start with."""
    checkpoint = last_checkpoint(RunDirectory(config.run_dir).checkpoints_file)
    if checkpoint is not None and checkpoint.state_path is not None:
        return await load_training_client(service, checkpoint.state_path, optimizer=True)
    return await start_training_client(service, config)
