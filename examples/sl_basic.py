"""Supervised fine-tuning from a config, on a file of conversations.

    python sl_basic.py                            a test model on this machine, in seconds
    python sl_basic.py --model Qwen/Qwen3-8B --data chats.jsonl --learning-rate 5e-4

The engine is the one that `tinker_train.connect` finds: the hosted service with TINKER_API_KEY, a
server of your own with TINKER_BASE_URL, else the local engine. The run directory has everything
that the run writes: metrics.jsonl, checkpoints.jsonl, report.html.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import tyro
from attrs import field, frozen
from sums import write_sums

from tinker_core import PostTrainingError
from tinker_data import Batching, ConversationFile
from tinker_sl import Config, Evaluation, TrainResult, sample_run, train
from tinker_train import Adam, Every, Lora


@frozen(kw_only=True)
class Basic:
    """Fine-tune a model on conversations."""

    model: str = "local/tiny"
    """Name of the base model, as the engine knows it."""
    data: Path | None = None
    """JSONL of conversations; absent: one-digit sums."""
    batch_size: int = 16
    """Conversations per optimizer step."""
    epochs: int = 8
    """Passes over the data."""
    learning_rate: float = 4e-3
    """Peak learning rate; it decays linearly to 0."""
    seed: int = 0
    """Seed of the data order and of the initial LoRA weights."""
    run_dir: Path = field(factory=lambda: Path("runs") / f"sl-{datetime.now():%Y%m%d-%H%M%S}")
    """Run directory."""


def main(settings: Basic) -> TrainResult:
    """Train, and sample a reply."""
    batching = Batching(batch_size=settings.batch_size)
    if settings.data is None:
        train_file, test_file = write_sums(Path(f"{settings.run_dir}-data"))
        data = ConversationFile(path=train_file, test_path=test_file, batching=batching)
    else:
        data = ConversationFile(path=settings.data, test_rows=20, batching=batching)
    config = Config(
        model=settings.model,
        data=data,
        run_dir=settings.run_dir,
        lora=Lora(rank=16),
        adam=Adam(learning_rate=settings.learning_rate),
        num_epochs=settings.epochs,
        evaluation=Evaluation(every=Every(steps=10)),
        seed=settings.seed,
    )
    result = train(config)
    question = [{"role": "user", "content": "What is 3+4?"}]
    print(f"{question[0]['content']} {sample_run(result.run_dir, question).outcome.message.text}")
    print(f"held-out NLL {result.metrics['test/nll']:.3f}; look at {result.run_dir}/report.html")
    return result


if __name__ == "__main__":
    try:
        main(tyro.cli(Basic, description=__doc__))
    except PostTrainingError as error:
        sys.exit(f"sl_basic: {error}")
