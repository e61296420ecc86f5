"""Tokens per second of sampling: the engine's sampler, a bare transformers decode loop, `generate`.

    python benchmarks/engine_sampling.py MODEL_FOLDER [--threads 2] [--repeats 5] [--cpu-time]

The work is 64 sequences of 32 new tokens after a prompt of 40, in float32, at temperature 1, with
the logprob of each token and an unmerged LoRA of rank 16. The bare loop has one batch of 64 and
transformers' own cache. The engine gets the work as 8 requests of 8 samples, as 64 single requests,
and as one request of 64. Hugging Face's `generate` is called once for each of the 8 requests.

Runs are interleaved, and the result is the median of the ratios of neighbouring runs. On an
overloaded machine, use `--cpu-time` with one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import peft
import torch
from transformers import AutoModelForCausalLM

from tinker_local.model.base import BaseModel
from tinker_local.model.load import load_model
from tinker_local.model.lora_adapter import LoraAdapter
from tinker_local.request_types import LoraSpec, SampleRequest
from tinker_local.sampling.continuous_batching import Sampler
from tinker_local.training.trainer import Trainer

Clock = Callable[[], float]
SEQUENCES, PROMPT, NEW = 64, 40, 32
RANK = 16
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"]


def engine_seconds(
    clock: Clock, engine: tuple[BaseModel, LoraAdapter], prompts: list[np.ndarray], each: int
) -> float:
    base, adapter = engine
    sampler = Sampler(base)
    start = clock()
    for seed, prompt in enumerate(prompts):
        request = SampleRequest(
            prompt=prompt, num_samples=each, max_tokens=NEW, stop_tokens=frozenset(), seed=seed
        )
        sampler.add(request, adapter)
    while not sampler.is_idle:
        sampler.step()
    return clock() - start


@torch.no_grad()
def bare_seconds(clock: Clock, model: torch.nn.Module, prompts: np.ndarray) -> float:
    start = clock()
    cache = None
    ids = torch.from_numpy(prompts)
    for _ in range(NEW):
        output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        logp = output.logits[:, -1].log_softmax(-1)
        ids = torch.multinomial(logp.exp(), 1)
        logp.gather(-1, ids)
    return clock() - start


@torch.no_grad()
def generate_seconds(
    clock: Clock, model: torch.nn.Module, prompts: list[np.ndarray], each: int
) -> float:
    start = clock()
    for prompt in prompts:
        ids = torch.from_numpy(prompt)[None]
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=0,
            num_return_sequences=each,
            min_new_tokens=NEW,
            max_new_tokens=NEW,
            pad_token_id=0,
        )
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cpu-time", action="store_true", help="measure CPU time")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    clock = time.process_time if options.cpu_time else time.perf_counter
    base = load_model(options.model, name=str(options.model))
    engine = base, Trainer(base, LoraSpec(rank=RANK)).adapter()
    model = peft.get_peft_model(
        AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32),
        peft.LoraConfig(r=RANK, lora_alpha=32, target_modules=TARGETS),
    ).eval()
    prompts = np.random.default_rng(0).integers(0, base.vocab_size, (SEQUENCES, PROMPT))
    ways = {
        "8 requests of 8": (list(prompts[:8]), 8, np.repeat(prompts[:8], 8, 0)),
        "64 single requests, one prompt": ([prompts[0]] * 64, 1, np.repeat(prompts[:1], 64, 0)),
        "64 single requests, 64 prompts": (list(prompts), 1, prompts),
        "1 request of 64": ([prompts[0]], 64, np.repeat(prompts[:1], 64, 0)),
    }
    for name, (requests, each, batch) in ways.items():
        seconds = [
            (engine_seconds(clock, engine, requests, each), bare_seconds(clock, model, batch))
            for _ in range(options.repeats + 1)
        ]
        report(name, "bare", seconds[1:])
    requests = list(prompts[:8])
    seconds = [
        (engine_seconds(clock, engine, requests, 8), generate_seconds(clock, model, requests, 8))
        for _ in range(options.repeats + 1)
    ]
    report("8 requests of 8", "generate", seconds[1:])


def report(name: str, peer: str, seconds: list[tuple[float, float]]) -> None:
    """Print the speeds. Each item of `seconds` is a time of the engine and one of the peer."""
    engine, other = (SEQUENCES * NEW / min(times) for times in zip(*seconds, strict=True))
    ratio = statistics.median(theirs / ours for ours, theirs in seconds)
    print(
        f"{name:31} engine {engine:6.0f} tok/s   {peer:8} {other:6.0f} tok/s   "
        f"median ratio {ratio:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
