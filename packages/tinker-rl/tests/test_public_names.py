"""The public names of the package, and what its import needs."""

import subprocess
import sys

import tinker_rl

NAMES = """
Action Advantage AdvantageTransform AllEpisodesFailedError AnswerEnv Asynchronous
BlockingEnv Checkpoints Cispo Clients ClippedLoss Completed Config ContextOverflow
CustomLoss Distillation Dro EngineMessageCompleter EngineTokenCompleter Env
EnvGroupBuilder EnvironmentFailed EnvironmentFailure EpisodeFailure Evaluation Game
GameGroupBuilder GroupBatches Gspo ImportanceSampling KL KLPenalty Loss MaxTokens
MaxToolCalls MaxTurns MessageCompleter MessageEnv MessageRules MessageStep
ModelRLDatasetBuilder PairwisePreferenceGroupBuilder ParseFailure PersonCompleter
PolicyUpdate Ppo PreferenceModel ProblemEnv ProblemFile ProblemGroupBuilder
PromptFile PromptGroupBuilder PromptSwap PullToReference PullToTeachers RLData
RLDataset RLDatasetBuilder RolloutConfig RowGroups Sampling SamplingClientEvaluator
StepResult StopReason Streaming Synchronous Teacher TeacherConfig TimeOut
TokenCompleter Tool ToolEnv ToolError ToolResult ToolRules ToolStop TrainResult
TrainingBatch TrainingSequence Trajectory TrajectoryGroup Transcripts Transition
UpdateConfig UpdateResult as_token_env centre_on_group check_same_format
command_line discounted_sums estimate_entropy estimate_kl generalised_advantages
in_threads kl_advantages leave_one_out loss_datums new_run_dir play read_config
resume rl_loop rollout_metrics run_group run_groups scale_by_group stop_name tool
train train_on training_batch training_sequences turn_advantages update_result
"""


def test_nothing_here_needs_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import tinker_rl, tinker_rl.cli.main"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_public_names_are_these() -> None:
    assert sorted(tinker_rl.__all__) == NAMES.split()


def test_public_names_are_there() -> None:
    for name in tinker_rl.__all__:
        assert hasattr(tinker_rl, name)
