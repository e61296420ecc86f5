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
    RowGroups,
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
from tinker_rl.loop.rl_loop import Clients, rl_loop
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
from tinker_rl.train import read_config, resume, train, train_on
from tinker_rl.trajectory import Action, EpisodeFailure, Trajectory, TrajectoryGroup, Transition
from tinker_rl.update.advantage_transform import AdvantageTransform
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
    PullToTeachers,
    Teacher,
    TeacherConfig,
    check_same_format,
)
from tinker_rl.update.kl import KL, estimate_entropy, estimate_kl, kl_advantages
from tinker_rl.update.kl_penalty import KLPenalty, PullToReference
from tinker_rl.update.losses.cispo import Cispo
from tinker_rl.update.losses.custom import CustomLoss
from tinker_rl.update.losses.dro import Dro
from tinker_rl.update.losses.gspo import Gspo
from tinker_rl.update.losses.importance_sampling import ImportanceSampling
from tinker_rl.update.losses.loss import ClippedLoss, Loss
from tinker_rl.update.losses.ppo import Ppo
from tinker_rl.update.policy_update import PolicyUpdate, UpdateResult, update_result
from tinker_rl.update.training_batch import TrainingBatch, training_batch
from tinker_rl.update.training_datums import loss_datums
from tinker_rl.update.training_sequence import TrainingSequence, training_sequences
from tinker_rl.update.update_config import UpdateConfig
from tinker_train import Checkpoints, SamplingClientEvaluator, TrainResult

__all__ = [
    "KL",
    "Action",
    "Advantage",
    "AdvantageTransform",
    "AllEpisodesFailedError",
    "AnswerEnv",
    "Asynchronous",
    "BlockingEnv",
    "Checkpoints",
    "Cispo",
    "Clients",
    "ClippedLoss",
    "Completed",
    "Config",
    "ContextOverflow",
    "CustomLoss",
    "Distillation",
    "Dro",
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
    "Gspo",
    "ImportanceSampling",
    "KLPenalty",
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
    "PolicyUpdate",
    "Ppo",
    "PreferenceModel",
    "ProblemEnv",
    "ProblemFile",
    "ProblemGroupBuilder",
    "PromptFile",
    "PromptGroupBuilder",
    "PromptSwap",
    "PullToReference",
    "PullToTeachers",
    "RLData",
    "RLDataset",
    "RLDatasetBuilder",
    "RolloutConfig",
    "RowGroups",
    "Sampling",
    "SamplingClientEvaluator",
    "StepResult",
    "StopReason",
    "Streaming",
    "Synchronous",
    "Teacher",
    "TeacherConfig",
    "TimeOut",
    "TokenCompleter",
    "Tool",
    "ToolEnv",
    "ToolError",
    "ToolResult",
    "ToolRules",
    "ToolStop",
    "TrainResult",
    "TrainingBatch",
    "TrainingSequence",
    "Trajectory",
    "TrajectoryGroup",
    "Transcripts",
    "Transition",
    "UpdateConfig",
    "UpdateResult",
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
    "new_run_dir",
    "play",
    "read_config",
    "resume",
    "rl_loop",
    "rollout_metrics",
    "run_group",
    "run_groups",
    "scale_by_group",
    "stop_name",
    "tool",
    "train",
    "train_on",
    "training_batch",
    "training_sequences",
    "turn_advantages",
    "update_result",
]
