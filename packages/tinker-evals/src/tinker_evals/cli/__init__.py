"""The commands `tinker-evals` and `tinker-lm-eval`."""

from tinker_evals.cli.lm_eval import lm_eval_main
from tinker_evals.cli.main import main

__all__ = ["lm_eval_main", "main"]
