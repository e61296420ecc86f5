"""Evaluate language models on the Tinker API, with numbers to believe."""

from tinker_evals import graders
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, JsonlFile, Package, Shipped, Source
from tinker_evals.errors import GradingError
from tinker_evals.evaluators.evaluator import (
    SamplingClientEvaluator,
    TaskEvaluator,
    TrainingClientEvaluator,
    evaluate,
)
from tinker_evals.evaluators.held_out import HeldOut, SamplingNll, TrainingNll, held_out
from tinker_evals.graders.code import CodeGrader
from tinker_evals.graders.grade import Grade, Grader, MessageGrader
from tinker_evals.graders.ifeval import InstructionGrader
from tinker_evals.graders.judge import DuelGrader, RubricGrader
from tinker_evals.graders.text_grader import TextGrader
from tinker_evals.graders.tool_calls import CallGrader
from tinker_evals.integrations.inspect_evaluator import InspectEvaluator
from tinker_evals.model.model import Model
from tinker_evals.model.open_model import open_model
from tinker_evals.reporting.compare import Compared, compare_sides, read_side
from tinker_evals.reporting.report import write_report
from tinker_evals.run.load_items import load_items
from tinker_evals.run.result import Summary, TaskResult, summarize
from tinker_evals.run.runner import Tally, run_task
from tinker_evals.run.sample import Sample
from tinker_evals.run.settings import Sampling, Settings
from tinker_evals.sandbox.sandbox import Sandbox
from tinker_evals.statistics.estimates import (
    Comparison,
    Estimate,
    compare_paired,
    mean_estimate,
    pass_at_k,
    share_estimate,
)
from tinker_evals.tasks import TASKS, get_task
from tinker_evals.tasks.task import RankingTask, Task, TextFormat

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
