"""A reward model that a run with the `BradleyTerry` objective has trained."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import tinker
from attrs import evolve, frozen

from tinker_core import Comparison, DataError
from tinker_data import PreferencePair
from tinker_dpo.data.judged_response import Messages
from tinker_dpo.data.rendering import ScoreRenderer
from tinker_dpo.objectives.logistic import log_odds, sigmoid
from tinker_dpo.objectives.objective import RewardObjective
from tinker_render import Renderer
from tinker_train import engine_errors, task_group


@frozen(kw_only=True)
class ScoreModel:
    """Judges one response, and two by the difference; a `RewardModel` and a `PreferenceModel`."""

    sampler: tinker.SamplingClient
    renderer: ScoreRenderer
    """Must ask what the model was trained to be asked."""
    midpoint: float = 0.0
    """Taken from every log-odds. Bradley and Terry's loss says nothing of it; see `centred`."""

    async def reward(self, prompt: Messages, response: Messages) -> float:
        """The log-odds of the label less the midpoint.

        Raises EngineError, and RenderError for what has no form.
        """
        tokens, label_length = self.renderer.ask(prompt, response)
        with engine_errors("logprobs of the reward model"):
            logprobs = await self.sampler.compute_logprobs(tokens)
        label = sum(logprob or 0.0 for logprob in logprobs[-label_length:])
        return float(log_odds(label)) - self.midpoint

    async def prefer(self, comparison: Comparison) -> float:
        """Bradley and Terry's probability that the first response wins."""
        async with task_group() as tasks:
            first = tasks.create_task(self.reward(comparison.prompt, comparison.first))
            second = tasks.create_task(self.reward(comparison.prompt, comparison.second))
        return float(sigmoid(first.result() - second.result()))


def score_model(
    sampler: tinker.SamplingClient, renderer: Renderer, objective: RewardObjective
) -> ScoreModel:
    """The model of a run that had this objective, from a sampler of its weights."""
    form = ScoreRenderer(renderer=renderer, question=objective.question, label=objective.label)
    return ScoreModel(sampler=sampler, renderer=form)


async def centred(
    model: ScoreModel, pairs: Sequence[PreferencePair], *, concurrency: int = 64
) -> ScoreModel:
    """The model with its zero halfway between the chosen and the rejected responses of the pairs.

    Training fixes the difference of two rewards and leaves their level to chance. Where a reward is
    used by itself, as through a sigmoid, its zero has to mean something. Raises DataError where
    there is no pair.
    """
    if not pairs:
        raise DataError("no pair to centre the reward on")
    room = asyncio.Semaphore(concurrency)

    async def one(prompt: Messages, response: Messages) -> float:
        async with room:
            return await model.reward(prompt, response)

    async with task_group() as tasks:
        running = [
            tasks.create_task(one(pair.prompt, response))
            for pair in pairs
            for response in (pair.chosen, pair.rejected)
        ]
    mean = sum(task.result() for task in running) / len(running)
    return evolve(model, midpoint=model.midpoint + mean)
