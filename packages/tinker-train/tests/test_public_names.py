"""The public names of tinker-train."""

import tinker_train

NAMES = """
Adam Algorithm Cadence CheckpointRecord Checkpoints Constant Cosine Engine Evaluation
EvaluatorBuilder Every EverySeconds EveryTokens Existing FinishedStep JsonlSink
LORA_OVER_FULL_FINETUNE_LR Linear LoopState Lora MetricSink MetricSinks Metrics Never Nll
PendingMetrics Progress Reporting Run RunConfig RunConsole RunDirectory SamplingClientEvaluator
Schedule StopRequest SubmittedCheckpoint SubmittedStep Tracer TrainResult TrainedModel adam_params
all_same check_run_directory connect create_run create_training_client datum_weights dict_mean
engine_errors evaluate_snapshot finish_checkpoint finish_step from_plain gather
get_lora_param_count get_lr is_due last_checkpoint last_values load_training_client lock_run
logtree loop_state lr_multiplier merge_metrics model_size open_run open_trained_model
read_checkpoints read_config_file read_description read_metadata read_metrics read_run_config
rewind run_evaluators run_on_engine safezip scope split_list start_training_client stop_on_signals
submit_checkpoint submit_step task_group timed to_plain tokenizer_errors tracing trained_renderer
training_run weighted_nll while_engine_lives with_trained_renderer write_perfetto write_report
"""


def test_the_public_names_are_these() -> None:
    assert sorted(tinker_train.__all__) == sorted(NAMES.split())
    assert all(hasattr(tinker_train, name) for name in tinker_train.__all__)
