"""A reward model that was trained with the `BradleyTerry` objective."""

from __future__ import annotations

from collections.abc import Sequence

import tinker
from attrs import evolve, frozen

from tinker_core import Comparison, DataError
from tinker_data import PreferencePair
from tinker_data.layouts.fields import Messages
from tinker_dpo.data.rendering import ScoreRenderer
from tinker_dpo.objectives.logistic import log_odds, sigmoid
from tinker_dpo.objectives.objective import RewardObjective
from tinker_render import Renderer
from tinker_train import engine_errors, gather


@frozen(kw_only=True)
class ScoreModel:
    """Rewards one response, and compares two by their rewards.

    It is a `RewardModel` and a `PreferenceModel`.
    """

    sampler: tinker.SamplingClient
    renderer: ScoreRenderer
    """Must have the question and the label of the training."""
    midpoint: float = 0.0
    """Subtracted from every log-odds, because the loss leaves the level open; see `centred`."""

    async def reward(self, prompt: Messages, response: Messages) -> float:
        """The log-odds of the label minus the midpoint.

        Raises EngineError, and RenderError for a conversation that cannot be expressed.
        """
        tokens, label_length = self.renderer.query(prompt, response)
        with engine_errors("logprobs of the reward model"):
            logprobs = await self.sampler.compute_logprobs(tokens)
        label = sum(logprob or 0.0 for logprob in logprobs[-label_length:])
        return float(log_odds(label)) - self.midpoint

    async def prefer(self, comparison: Comparison) -> float:
        """Bradley and Terry's probability that the first response wins."""
        responses = (comparison.first, comparison.second)
        first, second = await gather(self.reward(comparison.prompt, each) for each in responses)
        return float(sigmoid(first - second))


def score_model(
    sampler: tinker.SamplingClient, renderer: Renderer, objective: RewardObjective
) -> ScoreModel:
    """The reward model of a run with this objective, from a sampler of its weights."""
    form = ScoreRenderer(renderer=renderer, question=objective.question, label=objective.label)
    return ScoreModel(sampler=sampler, renderer=form)


async def centred(
    model: ScoreModel, pairs: Sequence[PreferencePair], *, concurrency: int = 64
) -> ScoreModel:
    """The model with its zero halfway between the chosen and the rejected responses of the pairs.

    Training determines the difference of two rewards, and their level is arbitrary. A reward that
    is used on its own, as through a sigmoid, needs a meaningful zero. Raises DataError if there is
    no pair.
    """
    if not pairs:
        raise DataError("no pair to centre the reward on")
    rewards = await gather(
        (
            model.reward(pair.prompt, response)
            for pair in pairs
            for response in (pair.chosen, pair.rejected)
        ),
        limit=concurrency,
    )
    return evolve(model, midpoint=model.midpoint + sum(rewards) / len(rewards))
