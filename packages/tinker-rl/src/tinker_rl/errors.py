"""What goes wrong in reinforcement learning on purpose, beside the errors of tinker_core."""

from __future__ import annotations

from tinker_core import PostTrainingError


class EnvironmentFailure(PostTrainingError, RuntimeError):  # noqa: N818  # as in "failed episode"
    """The world broke, not the model: an environment raised, or its sandbox is down.

    The policy for failed episodes decides whether the run ends, tries again or goes on without it.
    """


class AllEpisodesFailedError(PostTrainingError, RuntimeError):
    """A batch in which nothing is left to learn from."""
