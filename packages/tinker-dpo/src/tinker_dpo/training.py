"""Training from a config: `train`, `resume`, `train_on` and `read_config`."""

from __future__ import annotations

from collections.abc import Sequence

import tinker

from tinker_data import BatchOrder
from tinker_dpo.config import Config
from tinker_dpo.data.dataset import open_dataset
from tinker_dpo.loop import LoopData, preference_loop
from tinker_dpo.reference.model import with_reference
from tinker_render import Renderer, renderer_for, renderer_name_for
from tinker_train import Algorithm, Run, SamplingClientEvaluator, TrainResult

_SHOWN = 3  # skipped rows that are printed; all are counted


def open_data(config: Config, renderer: Renderer) -> LoopData:
    """The data of a config, each row rendered once; raises DataError for what cannot be used."""
    data = config.data.build(seed=config.seed)
    train = open_dataset(data.train, config.objective, renderer, config.selection)
    test, skipped = [], train.skipped
    if len(data.test):
        held_out = open_dataset(data.test, config.objective, renderer, config.selection)
        test = [held_out[i] for i in range(len(held_out))]
        skipped += held_out.skipped
    return LoopData(
        train=train,
        order=BatchOrder(
            num_rows=len(train), batching=config.batching, seed=config.seed, name="preferences"
        ),
        test=test,
        skipped=skipped,
        stop=renderer.get_stop_sequences(),
        fingerprints=data.fingerprints,
    )


async def train_against_reference(
    config: Config,
    training: tinker.TrainingClient,
    data: LoopData,
    run: Run,
    evaluators: Sequence[SamplingClientEvaluator] = (),
) -> TrainResult:
    """The preference loop, after the log-probabilities of the reference are computed."""
    _print_skipped(run, data)
    data, kl = await with_reference(config, data, run)
    return await preference_loop(config, training, data, run, [*evaluators, *kl])


def _print_skipped(run: Run, data: LoopData) -> None:
    if data.skipped:
        run.console.say(f"rows skipped: {len(data.skipped)}")
        for error in data.skipped[:_SHOWN]:
            run.console.say(f"  {error}")


PREFERENCE = Algorithm(
    config=Config,
    renderer=lambda config: renderer_for(config.model, config.renderer),
    renderer_name=lambda config: renderer_name_for(config.model, config.renderer),
    open_data=open_data,
    loop=train_against_reference,
)
train, resume = PREFERENCE.train, PREFERENCE.resume
train_on, read_config = PREFERENCE.train_on, PREFERENCE.read_config
