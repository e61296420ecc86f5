"""Black-box checks that any Tinker API server computes what the API promises."""

from tinker_conformance.checks import all_checks
from tinker_conformance.run.suite import run_checks
from tinker_conformance.target import Target

__all__ = ["Target", "all_checks", "run_checks"]
