"""How many tokens a second: ours, `apply_chat_template`, the bare tokenizer, the original if there.

    python benchmarks/render.py CACHE

CACHE is the folder that packages/tinker-render/parity/fetch.py has filled. Chats of ten turns and
about 1,300 tokens on the Qwen3 vocabulary; the best of fifteen rounds, since whoever else uses the
machine only slows one down.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from tinker_core import as_conversation
from tinker_render import Renderer, TrainOnWhat, get_renderer

CHATS, TURNS, WORDS, ROUNDS = 40, 10, 118, 15
VOCABULARY = [
    *("the", "of", "and", "to", "model", "loss", "step", "train", "token", "weights", "a", "in"),
    *("is", "that", "for", "with", "gradient", "learning", "rate", "batch", "data", "sample"),
    *("reward", "policy", "value", "12", "3.5", "def", "return", "print", "(x)", "+", "=", "\n"),
]


def chats() -> list[list[dict[str, Any]]]:
    """Random words, ten messages a chat."""
    rng = random.Random(1)
    roles = ["user", "assistant"] * (TURNS // 2)
    return [
        [{"role": role, "content": " ".join(rng.choices(VOCABULARY, k=WORDS))} for role in roles]
        for _ in range(CHATS)
    ]


def best(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and seconds of all cores, each of its best round."""
    clock, cores = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - start[0])
        cores.append(time.process_time() - start[1])
    return min(clock), min(cores)


def main(cache: Path) -> None:
    """Measure and print."""
    tokenizer = AutoTokenizer.from_pretrained(cache / "vocabularies" / "qwen3")
    renderer = get_renderer("qwen3_instruct", tokenizer)
    data = chats()
    texts = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in data]
    backend = tokenizer.backend_tokenizer
    tokens = sum(len(encoding.ids) for encoding in backend.encode_batch(texts))
    all_of_them = TrainOnWhat.ALL_ASSISTANT_MESSAGES
    ways: dict[str, Callable[[], object]] = {
        "ours, supervised examples": lambda: [
            renderer.build_supervised_examples(chat, all_of_them) for chat in data
        ],
        "ours, generation prompts": lambda: [
            renderer.build_generation_prompt(chat) for chat in data
        ],
        "apply_chat_template": lambda: [tokenizer.apply_chat_template(chat) for chat in data],
        "bare tokenizer, text by text": lambda: [backend.encode(text).ids for text in texts],
        "bare tokenizer, one batch": lambda: [e.ids for e in backend.encode_batch_fast(texts)],
        **original(tokenizer, data),
    }
    print(f"{CHATS} chats, {tokens / CHATS:.0f} tokens each")
    for name, work in ways.items():
        work()
        clock, cores = best(work)
        print(
            f"{name:32} {tokens / clock / 1000:8.0f} k tokens/s"
            f" {tokens / cores / 1000:8.0f} k tokens a core-second"
        )
    for name in ("qwen3_instruct", "qwen3"):
        renderer = get_renderer(name, tokenizer)
        for turns in (5, 50, 200):
            line = f"one more turn after {turns}, {name}"
            print(f"{line:40} {bridge(renderer, turns) * 1e3:8.3f} ms of one core")


def bridge(renderer: Renderer, turns: int) -> float:
    """Core-seconds that it takes to go on from a reply after so many turns."""
    [chat] = chats()[:1]
    said = [*as_conversation(chat[:2] * turns), *as_conversation(chat[:1])]
    thought = {} if renderer.name == "qwen3_instruct" else {"reasoning_content": "Well."}
    rendered = renderer.build_supervised_example([*said, chat[1] | thought])[0].to_ints()
    reply = rendered[renderer.build_generation_prompt(said).length :]
    following = [{"role": "tool", "content": chat[2]["content"]}]  # reasoning stays, and the bridge
    if not isinstance(renderer.bridge(said, reply, following), list):
        raise SystemExit(f"{renderer.name} has no bridge here")
    _, cores = best(lambda: [renderer.bridge(said, reply, following) for _ in range(CHATS)])
    return cores / CHATS


def original(
    tokenizer: object, data: list[list[dict[str, Any]]]
) -> dict[str, Callable[[], object]]:
    """The original's renderer, where it is installed."""
    try:
        from tinker_cookbook import renderers
    except ImportError:
        return {}
    renderer = renderers.get_renderer("qwen3_instruct", tokenizer)
    what = renderers.TrainOnWhat.ALL_ASSISTANT_MESSAGES
    return {
        "the original, supervised": lambda: [
            renderer.build_supervised_example(chat, train_on_what=what) for chat in data
        ]
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
