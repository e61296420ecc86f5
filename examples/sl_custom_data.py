"""Supervised fine-tuning on data of your own making: any class with a `build` is a dataset.

The data here is no file. It is drawn afresh by a program: sums whose answers are to come with an
exclamation mark, a batch of them for every step, and no two epochs alike. A builder is a frozen
config, so that it stands in the run's config.json like everything else.
"""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path

import tyro
from attrs import frozen

from tinker_data import (
    BatchedRows,
    Batching,
    Conversation,
    RenderedRow,
    Rendering,
    SupervisedData,
    render_conversation,
)
from tinker_render import Renderer
from tinker_sl import Config, TrainResult, sample_run, train
from tinker_train import Adam, Lora


@frozen
class CheerfulSums:
    """Rows that do not exist until they are asked for; row i is the same each time."""

    count: int
    seed: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Conversation:
        random_ = random.Random(f"{self.seed} {index}")
        a, b = random_.randrange(10), random_.randrange(10)
        return Conversation(
            messages=[
                {"role": "user", "content": f"What is {a}+{b}?"},
                {"role": "assistant", "content": f"{a + b}!"},
            ]
        )


@frozen(kw_only=True)
class CheerfulData:
    """The builder: what stands in the config."""

    rows: int = 800
    """Sums to train on."""
    test_rows: int = 40
    """Sums to measure on."""
    batch_size: int = 16
    """Sums in a step."""

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Batches to train on, and datums to measure on."""

        def render(row: Conversation) -> RenderedRow:
            return render_conversation(row, renderer, Rendering())

        held_out = CheerfulSums(self.test_rows, seed + 1)
        return SupervisedData(
            train=BatchedRows(
                rows=CheerfulSums(self.rows, seed),
                render=render,
                batching=Batching(batch_size=self.batch_size),
                seed=seed,
            ),
            test=tuple(datum for i in range(len(held_out)) for datum in render(held_out[i]).datums),
            tokenizer=renderer.tokenizer,
        )


def main(model: str = "local/tiny", run_dir: Path | None = None) -> TrainResult:
    """Train, and ask the model for a sum."""
    config = Config(
        model=model,
        data=CheerfulData(),
        run_dir=run_dir or Path("runs") / f"sl-custom-{datetime.now():%Y%m%d-%H%M%S}",
        lora=Lora(rank=16),
        adam=Adam(learning_rate=4e-3),
    )
    result = train(config)
    question = [{"role": "user", "content": "What is 3+4?"}]
    print(f"{question[0]['content']} {sample_run(result.run_dir, question).message.text}")
    return result


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
