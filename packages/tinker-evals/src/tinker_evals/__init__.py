"""Evaluate language models on the Tinker API, with numbers to believe."""

from tinker_evals import graders
from tinker_evals.calls import CallGrader
from tinker_evals.code import CodeGrader
from tinker_evals.compare import Compared, compare_sides, read_side
from tinker_evals.evaluators import (
    SamplingClientEvaluator,
    TaskEvaluator,
    TrainingClientEvaluator,
    evaluate,
)
from tinker_evals.grade import Grade, Grader, GradingError, MessageGrader, TextGrader
from tinker_evals.held_out import HeldOut, SamplingNll, TrainingNll, held_out
from tinker_evals.ifeval import InstructionGrader
from tinker_evals.inspect_evaluator import InspectEvaluator
from tinker_evals.item import Item
from tinker_evals.items import load_items
from tinker_evals.judge import DuelGrader, RubricGrader
from tinker_evals.model import Model
from tinker_evals.opening import open_model
from tinker_evals.report import write_report
from tinker_evals.result import Summary, TaskResult, summarize
from tinker_evals.runner import Tally, run_task
from tinker_evals.sample import Sample
from tinker_evals.sandbox import Sandbox
from tinker_evals.settings import Sampling, Settings
from tinker_evals.sources import Hub, JsonlFile, Package, Shipped, Source
from tinker_evals.statistics import (
    Comparison,
    Estimate,
    compare_paired,
    mean_estimate,
    pass_at_k,
    share_estimate,
)
from tinker_evals.task import RankingTask, Task, TextFormat
from tinker_evals.tasks import TASKS, get_task

__all__ = [
    "TASKS",
    "CallGrader",
    "CodeGrader",
    "Compared",
    "Comparison",
    "DuelGrader",
    "Estimate",
    "Grade",
    "Grader",
    "GradingError",
    "HeldOut",
    "Hub",
    "InspectEvaluator",
    "InstructionGrader",
    "Item",
    "JsonlFile",
    "MessageGrader",
    "Model",
    "Package",
    "RankingTask",
    "RubricGrader",
    "Sample",
    "Sampling",
    "SamplingClientEvaluator",
    "SamplingNll",
    "Sandbox",
    "Settings",
    "Shipped",
    "Source",
    "Summary",
    "Tally",
    "Task",
    "TaskEvaluator",
    "TaskResult",
    "TextFormat",
    "TextGrader",
    "TrainingClientEvaluator",
    "TrainingNll",
    "compare_paired",
    "compare_sides",
    "evaluate",
    "get_task",
    "graders",
    "held_out",
    "load_items",
    "mean_estimate",
    "open_model",
    "pass_at_k",
    "read_side",
    "run_task",
    "share_estimate",
    "summarize",
    "write_report",
]
