"""Reinforcement learning of language models on the Tinker API, single turn to multi-agent."""

from tinker_core import PreferenceModel
from tinker_rl.cli.play import PersonCompleter, play
from tinker_rl.cli.script import command_line, new_run_dir
from tinker_rl.completers import (
    EngineMessageCompleter,
    EngineTokenCompleter,
    MessageCompleter,
    Sampling,
    TokenCompleter,
)
from tinker_rl.config import Asynchronous, Config, Evaluation, Streaming, Synchronous
from tinker_rl.data.dataset import (
    GroupBatches,
    ModelRLDatasetBuilder,
    RLData,
    RLDataset,
    RLDatasetBuilder,
)
from tinker_rl.data.problem_file import ProblemFile
from tinker_rl.data.prompt_file import PromptFile
from tinker_rl.envs.env import BlockingEnv, Env, EnvGroupBuilder, StepResult, in_threads
from tinker_rl.envs.game import Game, GameGroupBuilder
from tinker_rl.envs.message_env import MessageEnv, MessageRules, MessageStep, as_token_env
from tinker_rl.envs.pairwise_preference import PairwisePreferenceGroupBuilder
from tinker_rl.envs.problem_env import ProblemEnv, ProblemGroupBuilder
from tinker_rl.envs.prompt_env import AnswerEnv, PromptGroupBuilder
from tinker_rl.envs.tool import Tool, ToolError, ToolResult, tool
from tinker_rl.envs.tool_env import ToolEnv, ToolRules
from tinker_rl.errors import AllEpisodesFailedError, EnvironmentFailure
from tinker_rl.loops.loop import Clients
from tinker_rl.reporting.rollout_metrics import rollout_metrics
from tinker_rl.reporting.transcripts import Transcripts
from tinker_rl.rollout.group import run_group, run_groups
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.stop_reason import (
    Completed,
    ContextOverflow,
    EnvironmentFailed,
    MaxTokens,
    MaxToolCalls,
    MaxTurns,
    ParseFailure,
    StopReason,
    TimeOut,
    ToolStop,
    stop_name,
)
from tinker_rl.train import read_config, resume, run_loop, train, train_on
from tinker_rl.trajectory import Action, EpisodeFailure, Trajectory, TrajectoryGroup, Transition
from tinker_rl.update.advantages import (
    Advantage,
    centre_on_group,
    discounted_sums,
    generalised_advantages,
    leave_one_out,
    scale_by_group,
    turn_advantages,
)
from tinker_rl.update.distillation import (
    Distillation,
    PromptSwap,
    Teacher,
    TeacherConfig,
    Teachers,
    check_same_format,
)
from tinker_rl.update.kl import KL, estimate_entropy, estimate_kl, kl_advantages
from tinker_rl.update.kl_penalty import KLPenalty, Reference
from tinker_rl.update.losses import Loss, loss_datums, loss_settings
from tinker_rl.update.optimizer_step import Learning, Shaper, prepare, submit_batch
from tinker_rl.update.training_batch import TrainingBatch, training_batch
from tinker_rl.update.training_sequence import TokenLedger, trajectory_ledgers
from tinker_train import Checkpoints, SamplingClientEvaluator, TrainResult

__all__ = [
    "KL",
    "Action",
    "Advantage",
    "AllEpisodesFailedError",
    "AnswerEnv",
    "Asynchronous",
    "BlockingEnv",
    "Checkpoints",
    "Clients",
    "Completed",
    "Config",
    "ContextOverflow",
    "Distillation",
    "EngineMessageCompleter",
    "EngineTokenCompleter",
    "Env",
    "EnvGroupBuilder",
    "EnvironmentFailed",
    "EnvironmentFailure",
    "EpisodeFailure",
    "Evaluation",
    "Game",
    "GameGroupBuilder",
    "GroupBatches",
    "KLPenalty",
    "Learning",
    "Loss",
    "MaxTokens",
    "MaxToolCalls",
    "MaxTurns",
    "MessageCompleter",
    "MessageEnv",
    "MessageRules",
    "MessageStep",
    "ModelRLDatasetBuilder",
    "PairwisePreferenceGroupBuilder",
    "ParseFailure",
    "PersonCompleter",
    "PreferenceModel",
    "ProblemEnv",
    "ProblemFile",
    "ProblemGroupBuilder",
    "PromptFile",
    "PromptGroupBuilder",
    "PromptSwap",
    "RLData",
    "RLDataset",
    "RLDatasetBuilder",
    "Reference",
    "RolloutConfig",
    "Sampling",
    "SamplingClientEvaluator",
    "Shaper",
    "StepResult",
    "StopReason",
    "Streaming",
    "Synchronous",
    "Teacher",
    "TeacherConfig",
    "Teachers",
    "TimeOut",
    "TokenCompleter",
    "TokenLedger",
    "Tool",
    "ToolEnv",
    "ToolError",
    "ToolResult",
    "ToolRules",
    "ToolStop",
    "TrainResult",
    "TrainingBatch",
    "Trajectory",
    "TrajectoryGroup",
    "Transcripts",
    "Transition",
    "as_token_env",
    "centre_on_group",
    "check_same_format",
    "command_line",
    "discounted_sums",
    "estimate_entropy",
    "estimate_kl",
    "generalised_advantages",
    "in_threads",
    "kl_advantages",
    "leave_one_out",
    "loss_datums",
    "loss_settings",
    "new_run_dir",
    "play",
    "prepare",
    "read_config",
    "resume",
    "rollout_metrics",
    "run_group",
    "run_groups",
    "run_loop",
    "scale_by_group",
    "stop_name",
    "submit_batch",
    "tool",
    "train",
    "train_on",
    "training_batch",
    "trajectory_ledgers",
    "turn_advantages",
]
