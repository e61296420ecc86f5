"""The error that this package adds."""

from tinker_core import PostTrainingError


class GradingError(PostTrainingError, RuntimeError):
    """The grader failed (its judge, its sandbox), so nothing is known about the answer."""
