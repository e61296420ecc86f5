"""Peak memory of a training step: the engine's trainer and a bare transformers + PEFT loop.

    python benchmarks/engine_memory.py MODEL_FOLDER [--threads 2]

A new process trains each batch for two steps, with a LoRA of rank 16 on every linear layer, in
float32. The loss is on the second half of each sequence. The result is the peak of the process's
resident set, and its excess over a process that has only loaded the same libraries.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
from pathlib import Path

import numpy as np
import peft
import torch
from transformers import AutoModelForCausalLM

from tinker_local.model.load import load_model
from tinker_local.request_types import AdamParams, Datum, LoraSpec, LossRequest
from tinker_local.training.trainer import Trainer

RANK = 16
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"]
BATCHES = {"8 x 128": [128] * 8, "1 x 4096": [4096]}


def engine_steps(folder: Path, lengths: list[int]) -> None:
    base = load_model(folder, name=str(folder))
    trainer = Trainer(base, LoraSpec(rank=RANK))
    data = []
    for length in lengths:
        tokens = np.random.default_rng(length).integers(0, base.vocab_size, length + 1)
        weights = (np.arange(length) >= length // 2).astype(np.float32)
        inputs = {"target_tokens": tokens[1:], "weights": weights}
        data.append(Datum(tokens=tokens[:-1], inputs=inputs))
    request = LossRequest(data=tuple(data), loss_fn="cross_entropy", config={}, forward_only=False)
    for _ in range(2):
        trainer.loss(request)
        trainer.optim_step(AdamParams(learning_rate=1e-5))


def bare_steps(folder: Path, lengths: list[int]) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = peft.LoraConfig(r=RANK, lora_alpha=32, target_modules=TARGETS)
    model = peft.get_peft_model(model, config).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    (length,) = set(lengths)
    ids = torch.randint(0, model.config.vocab_size, (len(lengths), length))
    labels = ids.masked_fill(torch.arange(length) < length // 2, -100)
    for _ in range(2):
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def nothing(folder: Path, lengths: list[int]) -> None:
    """Load the libraries alone."""


def peak_gb(work, folder: Path, lengths: list[int], threads: int) -> float:
    """The peak memory of a new process that does the work."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=measure, args=(work, folder, lengths, threads, there))
    child.start()
    there.close()
    peak = here.recv()
    child.join()
    return peak


def measure(work, folder: Path, lengths: list[int], threads: int, answer) -> None:
    torch.set_num_threads(threads)
    work(folder, lengths)
    answer.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    weights = sum(f.stat().st_size for f in options.model.glob("*.safetensors")) / 2**30
    libraries = peak_gb(nothing, options.model, [], options.threads)
    print(f"weights as stored {weights:.2f} GiB, libraries {libraries:.2f} GiB")
    for name, lengths in BATCHES.items():
        engine, bare = (
            peak_gb(steps, options.model, lengths, options.threads)
            for steps in (engine_steps, bare_steps)
        )
        print(
            f"{name:9} engine {engine:.2f} GiB ({engine - libraries:.2f} above the libraries)   "
            f"bare {bare:.2f} GiB ({bare - libraries:.2f})   ratio {engine / bare:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
