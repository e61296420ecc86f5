"""Evaluate language models on the Tinker API: tasks, graders, error bars, paired comparison."""

from tinker_evals import graders
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, JsonlFile, Package, RowSource, Shipped
from tinker_evals.errors import GradingError
from tinker_evals.evaluators.evaluator import TrainingClientEvaluator, evaluate
from tinker_evals.evaluators.held_out import HeldOut, held_out
from tinker_evals.evaluators.task_evaluator import TaskEvaluator
from tinker_evals.graders.code import CodeGrader
from tinker_evals.graders.grade import Grade, Grader, MessageGrader
from tinker_evals.graders.ifeval import InstructionGrader
from tinker_evals.graders.judge import DuelGrader, RubricGrader
from tinker_evals.graders.text_grader import TextGrader
from tinker_evals.graders.tool_calls import CallGrader
from tinker_evals.integrations.inspect_evaluator import InspectEvaluator
from tinker_evals.model.model import Model
from tinker_evals.model.open_model import open_model
from tinker_evals.reporting.compare import TaskComparison, compare_task_runs, read_task_run
from tinker_evals.reporting.report import write_eval_report
from tinker_evals.run.load_items import load_items
from tinker_evals.run.result import TaskResult
from tinker_evals.run.retry import Retry
from tinker_evals.run.runner import Tally, run_task
from tinker_evals.run.sample import Sample
from tinker_evals.run.settings import Sampling, Settings
from tinker_evals.run.summary import Summary, summarize
from tinker_evals.sandbox.backend import Limits
from tinker_evals.sandbox.local import LocalJail
from tinker_evals.sandbox.sandbox import Sandbox
from tinker_evals.statistics.estimate import Estimate, mean_estimate, pass_at_k, share_estimate
from tinker_evals.statistics.paired_comparison import PairedComparison, compare_paired
from tinker_evals.tasks import TASKS, get_task
from tinker_evals.tasks.task import RankingTask, Task, TextFormat
from tinker_train import SamplingClientEvaluator

__all__ = [
    "TASKS",
    "CallGrader",
    "CodeGrader",
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
    "Limits",
    "LocalJail",
    "MessageGrader",
    "Model",
    "Package",
    "PairedComparison",
    "RankingTask",
    "Retry",
    "RowSource",
    "RubricGrader",
    "Sample",
    "Sampling",
    "SamplingClientEvaluator",
    "Sandbox",
    "Settings",
    "Shipped",
    "Summary",
    "Tally",
    "Task",
    "TaskComparison",
    "TaskEvaluator",
    "TaskResult",
    "TextFormat",
    "TextGrader",
    "TrainingClientEvaluator",
    "compare_paired",
    "compare_task_runs",
    "evaluate",
    "get_task",
    "graders",
    "held_out",
    "load_items",
    "mean_estimate",
    "open_model",
    "pass_at_k",
    "read_task_run",
    "run_task",
    "share_estimate",
    "summarize",
    "write_eval_report",
]
