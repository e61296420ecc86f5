"""Errors of reinforcement learning, beside those of `tinker_core.errors`."""

from __future__ import annotations

from tinker_core import PostTrainingError


class EnvironmentFailure(PostTrainingError, RuntimeError):  # noqa: N818  # as in "failed episode"
    """An environment failed, not the model: it raised, or its sandbox is down.

    The failed-episode policy decides whether the run ends, the episode is retried or it is dropped.
    """


class AllEpisodesFailedError(PostTrainingError, RuntimeError):
    """A batch without a sampled token."""
