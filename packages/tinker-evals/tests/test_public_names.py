"""What users may rely on."""

import subprocess
import sys

import tinker_evals

PUBLIC = """
CallGrader CodeGrader DuelGrader Estimate Grade Grader GradingError HeldOut Hub InspectEvaluator
InstructionGrader Item JsonlFile Limits LocalJail
MessageGrader Model Package PairedComparison RankingTask Retry
RowSource RubricGrader Sample Sampling SamplingClientEvaluator Sandbox Settings Shipped Summary
TASKS Tally Task TaskComparison TaskEvaluator TaskResult TextFormat TextGrader
TrainingClientEvaluator compare_paired compare_task_runs evaluate get_task graders held_out
load_items mean_estimate open_model pass_at_k read_task_run run_task share_estimate summarize
write_eval_report
"""


def test_the_public_names_are_these() -> None:
    assert sorted(tinker_evals.__all__) == sorted(PUBLIC.split())
    assert all(hasattr(tinker_evals, name) for name in tinker_evals.__all__)


def test_nothing_heavy_is_imported_until_it_is_used() -> None:
    heavy = "torch transformers datasets sympy math_verify langdetect punkt inspect_ai lm_eval"
    program = f"import sys, tinker_evals; print([n for n in {heavy.split()} if n in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = ran.stdout.strip()
    # The SDK imports torch where it is installed; we do not.
    assert loaded in ("[]", "['torch']")
