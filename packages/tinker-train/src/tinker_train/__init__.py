"""The verbs every post-training loop shares: connect, step, checkpoint, resume, report."""

from tinker_train import logtree
from tinker_train.adam import Adam, adam_params
from tinker_train.cadence import (
    Cadence,
    Every,
    EverySeconds,
    EveryTokens,
    Never,
    Progress,
    is_due,
)
from tinker_train.checkpoints import (
    CheckpointRecord,
    SubmittedCheckpoint,
    finish_checkpoint,
    last_checkpoint,
    read_checkpoints,
    submit_checkpoint,
)
from tinker_train.configs import from_plain, read_config_file, to_plain
from tinker_train.console import RunConsole
from tinker_train.engine import Engine, connect, engine_errors, while_engine_lives
from tinker_train.evaluators import SamplingClientEvaluator, ask_evaluators, ask_snapshot
from tinker_train.holding import hold_run
from tinker_train.hyperparameters import (
    LORA_OVER_FULL_FINETUNE_LR,
    get_lora_param_count,
    get_lr,
    model_size,
)
from tinker_train.metrics import (
    JsonlSink,
    Metrics,
    MetricSink,
    MetricSinks,
    last_values,
    read_metrics,
)
from tinker_train.moment import (
    Checkpoints,
    EvaluationTimes,
    Moment,
    checkpoint_is_due,
    evaluation_is_due,
    save_if_due,
)
from tinker_train.recorder import Coming, Recorder
from tinker_train.report import write_report
from tinker_train.result import TrainResult, result_of
from tinker_train.run import Existing, Run, check_run_directory, open_run
from tinker_train.run_directory import (
    RunDirectory,
    create_run,
    read_description,
    read_run_config,
    rewind,
)
from tinker_train.schedule import Constant, Cosine, Linear, Schedule, lr_multiplier
from tinker_train.sinks import Forgiving, Reporting, open_sinks
from tinker_train.small import all_same, dict_mean, safezip, split_list, timed
from tinker_train.step import (
    Nll,
    StepResult,
    SubmittedStep,
    datum_weights,
    step_result,
    submit_step,
    weighted_nll,
)
from tinker_train.stopping import StopRequest, stop_on_signals
from tinker_train.tasks import task_group
from tinker_train.trace import Tracer, scope, scoped, tracing, write_perfetto
from tinker_train.training_client import (
    Lora,
    Start,
    begin_training,
    create_training_client,
    load_training_client,
    open_training,
)
from tinker_train.training_run import RunConfig, say_end, start_of, training_run

__all__ = [
    "LORA_OVER_FULL_FINETUNE_LR",
    "Adam",
    "Cadence",
    "CheckpointRecord",
    "Checkpoints",
    "Coming",
    "Constant",
    "Cosine",
    "Engine",
    "EvaluationTimes",
    "Every",
    "EverySeconds",
    "EveryTokens",
    "Existing",
    "Forgiving",
    "JsonlSink",
    "Linear",
    "Lora",
    "MetricSink",
    "MetricSinks",
    "Metrics",
    "Moment",
    "Never",
    "Nll",
    "Progress",
    "Recorder",
    "Reporting",
    "Run",
    "RunConfig",
    "RunConsole",
    "RunDirectory",
    "SamplingClientEvaluator",
    "Schedule",
    "Start",
    "StepResult",
    "StopRequest",
    "SubmittedCheckpoint",
    "SubmittedStep",
    "Tracer",
    "TrainResult",
    "adam_params",
    "all_same",
    "ask_evaluators",
    "ask_snapshot",
    "begin_training",
    "check_run_directory",
    "checkpoint_is_due",
    "connect",
    "create_run",
    "create_training_client",
    "datum_weights",
    "dict_mean",
    "engine_errors",
    "evaluation_is_due",
    "finish_checkpoint",
    "from_plain",
    "get_lora_param_count",
    "get_lr",
    "hold_run",
    "is_due",
    "last_checkpoint",
    "last_values",
    "load_training_client",
    "logtree",
    "lr_multiplier",
    "model_size",
    "open_run",
    "open_sinks",
    "open_training",
    "read_checkpoints",
    "read_config_file",
    "read_description",
    "read_metrics",
    "read_run_config",
    "result_of",
    "rewind",
    "safezip",
    "save_if_due",
    "say_end",
    "scope",
    "scoped",
    "split_list",
    "start_of",
    "step_result",
    "stop_on_signals",
    "submit_checkpoint",
    "submit_step",
    "task_group",
    "timed",
    "to_plain",
    "tracing",
    "training_run",
    "weighted_nll",
    "while_engine_lives",
    "write_perfetto",
    "write_report",
]
