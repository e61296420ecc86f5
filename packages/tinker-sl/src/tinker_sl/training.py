"""Training from a config: `train`, `resume`, `train_on` and `read_config`."""

from __future__ import annotations

from tinker_data import SupervisedData
from tinker_render import Renderer, renderer_for, renderer_name_for
from tinker_sl.config import Config
from tinker_sl.loop import supervised_loop
from tinker_train import Algorithm


def open_data(config: Config, renderer: Renderer) -> SupervisedData:
    """The data of a config; raises DataError for what cannot be used."""
    return config.data.build(renderer=renderer, seed=config.seed)


SUPERVISED = Algorithm(
    config=Config,
    renderer=lambda config: renderer_for(config.model, config.renderer),
    renderer_name=lambda config: renderer_name_for(config.model, config.renderer),
    open_data=open_data,
    loop=supervised_loop,
)
train, resume = SUPERVISED.train, SUPERVISED.resume
train_on, read_config = SUPERVISED.train_on, SUPERVISED.read_config
