"""The common parts of training loops: engine, steps, checkpoints, resume, metrics, report."""

from tinker_core.engine.errors import engine_errors
from tinker_train.checkpoint.metadata import read_metadata, trained_renderer
from tinker_train.checkpoint.record import CheckpointRecord, last_checkpoint, read_checkpoints
from tinker_train.checkpoint.save import SubmittedCheckpoint, finish_checkpoint, submit_checkpoint
from tinker_train.checkpoint.settings import Checkpoints
from tinker_train.concurrency import gather, task_group
from tinker_train.config.cadence import (
    Cadence,
    Every,
    EverySeconds,
    EveryTokens,
    Never,
    Progress,
    is_due,
)
from tinker_train.config.serialization import from_plain, read_config_file, to_plain
from tinker_train.engine.connect import Engine, connect
from tinker_train.engine.liveness import run_on_engine, while_engine_lives
from tinker_train.engine.training_client import Lora, create_training_client, load_training_client
from tinker_train.evaluation.evaluator import (
    EvaluatorBuilder,
    SamplingClientEvaluator,
    evaluate_snapshot,
    run_evaluators,
)
from tinker_train.evaluation.settings import Evaluation
from tinker_train.log import logtree
from tinker_train.log.console import RunConsole
from tinker_train.log.trace import Tracer, scope, timed, tracing, write_perfetto
from tinker_train.loop.state import LoopState, loop_state
from tinker_train.loop.step import (
    FinishedStep,
    Nll,
    SubmittedStep,
    datum_weights,
    finish_step,
    submit_step,
    weighted_nll,
)
from tinker_train.metrics.reporting import Reporting
from tinker_train.metrics.rows import (
    Metrics,
    PendingMetrics,
    dict_mean,
    last_values,
    merge_metrics,
    read_metrics,
)
from tinker_train.metrics.sink import JsonlSink, MetricSink, MetricSinks
from tinker_train.optim.adam import Adam, adam_params
from tinker_train.optim.hyperparameters import (
    LORA_OVER_FULL_FINETUNE_LR,
    get_lora_param_count,
    get_lr,
    model_size,
)
from tinker_train.optim.schedule import Constant, Cosine, Linear, Schedule, lr_multiplier
from tinker_train.report.page import write_report
from tinker_train.run.config import RunConfig
from tinker_train.run.description import create_run, read_description, read_run_config
from tinker_train.run.directory import RunDirectory
from tinker_train.run.lock import lock_run
from tinker_train.run.open import Existing, Run, check_run_directory, open_run
from tinker_train.run.result import TrainResult
from tinker_train.run.rewind import rewind
from tinker_train.run.stop_signal import StopRequest, stop_on_signals
from tinker_train.run.trained_model import TrainedModel, open_trained_model
from tinker_train.sequences import all_same, safezip, split_list
from tinker_train.training import (
    Algorithm,
    start_training_client,
    tokenizer_errors,
    training_run,
    with_trained_renderer,
)

__all__ = [
    "LORA_OVER_FULL_FINETUNE_LR",
    "Adam",
    "Algorithm",
    "Cadence",
    "CheckpointRecord",
    "Checkpoints",
    "Constant",
    "Cosine",
    "Engine",
    "Evaluation",
    "EvaluatorBuilder",
    "Every",
    "EverySeconds",
    "EveryTokens",
    "Existing",
    "FinishedStep",
    "JsonlSink",
    "Linear",
    "LoopState",
    "Lora",
    "MetricSink",
    "MetricSinks",
    "Metrics",
    "Never",
    "Nll",
    "PendingMetrics",
    "Progress",
    "Reporting",
    "Run",
    "RunConfig",
    "RunConsole",
    "RunDirectory",
    "SamplingClientEvaluator",
    "Schedule",
    "StopRequest",
    "SubmittedCheckpoint",
    "SubmittedStep",
    "Tracer",
    "TrainResult",
    "TrainedModel",
    "adam_params",
    "all_same",
    "check_run_directory",
    "connect",
    "create_run",
    "create_training_client",
    "datum_weights",
    "dict_mean",
    "engine_errors",
    "evaluate_snapshot",
    "finish_checkpoint",
    "finish_step",
    "from_plain",
    "gather",
    "get_lora_param_count",
    "get_lr",
    "is_due",
    "last_checkpoint",
    "last_values",
    "load_training_client",
    "lock_run",
    "logtree",
    "loop_state",
    "lr_multiplier",
    "merge_metrics",
    "model_size",
    "open_run",
    "open_trained_model",
    "read_checkpoints",
    "read_config_file",
    "read_description",
    "read_metadata",
    "read_metrics",
    "read_run_config",
    "rewind",
    "run_evaluators",
    "run_on_engine",
    "safezip",
    "scope",
    "split_list",
    "start_training_client",
    "stop_on_signals",
    "submit_checkpoint",
    "submit_step",
    "task_group",
    "timed",
    "to_plain",
    "tokenizer_errors",
    "tracing",
    "trained_renderer",
    "training_run",
    "weighted_nll",
    "while_engine_lives",
    "with_trained_renderer",
    "write_perfetto",
    "write_report",
]
