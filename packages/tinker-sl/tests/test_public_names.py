"""The public names of tinker-sl."""

import tinker_sl

NAMES = """
Checkpoints Config Evaluation EvaluatorBuilder SampledReply Sampling TrainResult answer
bits_per_byte dry_run open_data read_config renderer_for resume run_length sample_run
supervised_loop train train_on
"""


def test_the_public_names_are_these() -> None:
    assert sorted(tinker_sl.__all__) == sorted(NAMES.split())
    assert all(hasattr(tinker_sl, name) for name in tinker_sl.__all__)
