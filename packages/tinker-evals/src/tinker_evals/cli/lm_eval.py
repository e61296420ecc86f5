"""The `tinker-lm-eval` command: lm-evaluation-harness with the models of the Tinker API."""

from __future__ import annotations

import sys
from importlib import import_module

from tinker_core import PostTrainingError
from tinker_evals.optional_packages import import_extra


def lm_eval_main() -> None:
    """Run the harness's own command with our model, for which it has no entry point."""
    try:
        harness = import_extra("lm_eval.__main__", "lm-eval", "tinker-lm-eval")
        import_module("tinker_evals.integrations.lm_eval_model")
        sys.exit(harness.cli_evaluate())
    except PostTrainingError as error:
        sys.exit(f"tinker-lm-eval: {error}")
