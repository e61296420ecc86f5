"""The errors of this package beside those of `tinker_core`."""

from tinker_core import PostTrainingError


class GradingError(PostTrainingError, RuntimeError):
    """The grader failed, such as its judge or its sandbox. It says nothing about the reply."""
