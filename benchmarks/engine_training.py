"""Tokens per second of LoRA training: the engine's trainer, a bare transformers + PEFT loop, TRL.

    python benchmarks/engine_training.py MODEL_FOLDER [--threads 2] [--repeats 5] [--cpu-time]

Each peer trains the same layers at the same rank on the same sequences as the engine, in float32,
with an AdamW step. The loss is on the second half of each sequence. The bare loop pads its batch
and lets the model compute all logits. TRL's SFTTrainer refuses an adapter on the unembedding, so
that comparison has none. SFTTrainer has its defaults, except activation checkpointing, which would
make it slower, and only the time of its steps counts.

Runs are interleaved, and the result is the median of the ratios of neighbouring runs. That makes it
stable on a shared machine. On an overloaded machine, use `--cpu-time` with one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import peft
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from tinker_local.model.load import load_model
from tinker_local.request_types import AdamParams, Datum, LoraSpec, LossRequest
from tinker_local.training.trainer import Trainer

Clock = Callable[[], float]
RANK = 16
RAGGED = [512, 32, 100, 64, 333, 48, 200, 90]
ATTENTION_AND_MLP = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def sequences(lengths: list[int], vocab_size: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, vocab_size, length + 1) for length in lengths]


def engine_step(trainer: Trainer, batch: list[np.ndarray]) -> None:
    data = []
    for tokens in batch:
        weights = np.ones(len(tokens) - 1, np.float32)
        weights[: len(weights) // 2] = 0
        inputs = {"target_tokens": tokens[1:], "weights": weights}
        data.append(Datum(tokens=tokens[:-1], inputs=inputs))
    request = LossRequest(data=tuple(data), loss_fn="cross_entropy", config={}, forward_only=False)
    trainer.loss(request)
    trainer.optim_step(AdamParams(learning_rate=1e-5))


def bare_step(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: list[np.ndarray]
) -> None:
    longest = max(map(len, batch))
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full((len(batch), longest), -100)
    for i, tokens in enumerate(batch):
        row = torch.from_numpy(tokens)
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
        labels[i, 1 + len(row) // 2 : len(row)] = row[1 + len(row) // 2 :]
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


class StepTimes(TrainerCallback):
    """Records the time of each step of a Trainer, without data loading and logging."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds: list[float] = []

    def on_step_begin(self, *_: object, **__: object) -> None:
        self._began = self.clock()

    def on_step_end(self, *_: object, **__: object) -> None:
        self.seconds.append(self.clock() - self._began)


def make_sft_trainer(folder: Path, model: torch.nn.Module, batch: list[np.ndarray]) -> SFTTrainer:
    rows = {
        "input_ids": [tokens.tolist() for tokens in batch],
        "completion_mask": [[int(i > len(row) // 2) for i in range(len(row))] for row in batch],
    }
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(),
        max_steps=2,
        per_device_train_batch_size=len(batch),
        completion_only_loss=True,
        gradient_checkpointing=False,
        learning_rate=1e-5,
        bf16=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    data = Dataset.from_dict(rows)
    trainer = SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer)
    trainer.remove_callback(PrinterCallback)
    return trainer


def sft_seconds(trainer: SFTTrainer, clock: Clock) -> float:
    """The time of the second step; the first warms up."""
    times = StepTimes(clock)
    trainer.add_callback(times)
    trainer.train()
    trainer.remove_callback(times)
    return times.seconds[-1]


def timed(clock: Clock, step: Callable[..., None], *arguments: object) -> float:
    start = clock()
    step(*arguments)
    return clock() - start


def make_peft_model(folder: Path, targets: list[str]) -> torch.nn.Module:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = peft.LoraConfig(r=RANK, lora_alpha=32, target_modules=targets)
    return peft.get_peft_model(model, config).train()


def report(name: str, peer: str, tokens: int, seconds: list[tuple[float, float]]) -> None:
    """Print the speeds. Each item of `seconds` is a time of the engine and one of the peer."""
    engine, other = (min(times) for times in zip(*seconds, strict=True))
    ratio = statistics.median(theirs / ours for ours, theirs in seconds)
    print(
        f"{name:18} engine {tokens / engine:7.0f} tok/s   "
        f"{peer:10} {tokens / other:7.0f} tok/s   median ratio {ratio:.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cpu-time", action="store_true", help="measure CPU time")
    parser.add_argument("--longest", type=int, default=512, help="of the ragged batch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    clock = time.process_time if options.cpu_time else time.perf_counter
    base = load_model(options.model, name=str(options.model))
    batches = {
        "even 8 x 128": [128] * 8,
        f"ragged 32 to {options.longest}": [max(32, n * options.longest // 512) for n in RAGGED],
    }

    whole = Trainer(base, LoraSpec(rank=RANK))
    bare = make_peft_model(options.model, [*ATTENTION_AND_MLP, "lm_head"])
    optimizer = torch.optim.AdamW([p for p in bare.parameters() if p.requires_grad], lr=1e-5)
    inner = Trainer(base, LoraSpec(rank=RANK, train_unembed=False))
    model = make_peft_model(options.model, ATTENTION_AND_MLP)
    for name, lengths in batches.items():
        batch = sequences(lengths, base.vocab_size)
        sft = make_sft_trainer(options.model, model, batch)
        against_bare, against_sft = [], []
        for _ in range(options.repeats + 1):
            ours = timed(clock, engine_step, whole, batch)
            against_bare.append((ours, timed(clock, bare_step, bare, optimizer, batch)))
            ours = timed(clock, engine_step, inner, batch)
            against_sft.append((ours, sft_seconds(sft, clock)))
        report(name, "bare", sum(lengths), against_bare[1:])
        report(name, "SFTTrainer", sum(lengths), against_sft[1:])


if __name__ == "__main__":
    main()
