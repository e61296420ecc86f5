"""Supervised fine-tuning of language models on the Tinker API."""

from tinker_render import renderer_for
from tinker_sl.bits_per_byte import bits_per_byte
from tinker_sl.config import Config
from tinker_sl.dry_run import dry_run
from tinker_sl.loop import run_length, supervised_loop
from tinker_sl.sampling import SampledReply, Sampling, answer, sample_run
from tinker_sl.training import open_data, read_config, resume, train, train_on
from tinker_train import Checkpoints, Evaluation, EvaluatorBuilder, TrainResult

__all__ = [
    "Checkpoints",
    "Config",
    "Evaluation",
    "EvaluatorBuilder",
    "SampledReply",
    "Sampling",
    "TrainResult",
    "answer",
    "bits_per_byte",
    "dry_run",
    "open_data",
    "read_config",
    "renderer_for",
    "resume",
    "run_length",
    "sample_run",
    "supervised_loop",
    "train",
    "train_on",
]
