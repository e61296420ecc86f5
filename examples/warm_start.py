"""A supervised run on scripted conversations, which teaches a small model a format.

Reinforcement learning reinforces what the model sometimes does. It cannot find what the model never
does. The scripts show how to play, not how to play well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

import tinker_sl
from tinker_data import Batching, ConversationFile
from tinker_rl import Config
from tinker_sl import Evaluation
from tinker_train import Adam, Never

Script = list[dict[str, Any]]
"""A conversation in the OpenAI chat format."""


def warm_start(
    config: Config, scripts: Sequence[Script], *, batch_size: int = 32, learning_rate: float = 4e-3
) -> Config:
    """The config with `start_from` a model that was trained on the scripts for one epoch.

    A config that has a `start_from` is returned unchanged.
    """
    if config.start_from is not None:
        return config
    run = learn_scripts(config, scripts, batch_size=batch_size, learning_rate=learning_rate)
    return evolve(config, start_from=run.state_path)


def learn_scripts(
    config: Config, scripts: Sequence[Script], *, batch_size: int, learning_rate: float
) -> tinker_sl.TrainResult:
    """A supervised run of the config's model, in a run directory beside the config's."""
    file = Path(f"{config.run_dir}-scripts.jsonl")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"messages": script}) + "\n" for script in scripts))
    return tinker_sl.train(
        tinker_sl.Config(
            model=config.model,
            data=ConversationFile(path=file, batching=Batching(batch_size=batch_size)),
            run_dir=Path(f"{config.run_dir}-warm-start"),
            lora=config.lora,
            adam=Adam(learning_rate=learning_rate),
            evaluation=Evaluation(every=Never()),
            seed=config.seed,
        )
    )
