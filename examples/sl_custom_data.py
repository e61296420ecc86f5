"""Supervised fine-tuning on your own data: any class with a `build` method is a dataset builder.

The rows here are not in a file. A program makes them: sums whose answers end with an exclamation
mark. A builder is a frozen config, so it is stored in the run's config.json like everything else.
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
    """Rows that are made when they are indexed; row i is always the same."""

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
    """The builder, which is a part of the config."""

    rows: int = 800
    """Number of training rows."""
    test_rows: int = 40
    """Number of held-out rows."""
    batch_size: int = 16
    """Rows per optimizer step."""

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Training batches and held-out datums."""

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
    """Train, and sample the answer to a sum."""
    config = Config(
        model=model,
        data=CheerfulData(),
        run_dir=run_dir or Path("runs") / f"sl-custom-{datetime.now():%Y%m%d-%H%M%S}",
        lora=Lora(rank=16),
        adam=Adam(learning_rate=4e-3),
    )
    result = train(config)
    question = [{"role": "user", "content": "What is 3+4?"}]
    print(f"{question[0]['content']} {sample_run(result.run_dir, question).outcome.message.text}")
    return result


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
