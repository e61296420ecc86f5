"""A supervised run on the bigram double: a tokenizer of bytes, a file of chats, an engine."""

import asyncio
import json
from pathlib import Path

import pytest

from tinker_data import Batching, ConversationFile
from tinker_render import Renderer, get_renderer
from tinker_render.testing import byte_tokenizer
from tinker_sl import Config, Evaluation, train_on
from tinker_train import Adam, Engine, Every
from tinker_train.testing import WatchedService, double, ten_steps


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    """ChatML over bytes: one token a byte."""
    return get_renderer("chatml_plain", byte_tokenizer())


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """Twenty-four questions that all have the same kind of answer."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"question {i}"},
                {"role": "assistant", "content": "ab" * (1 + i % 4)},
            ]
        }
        for i in range(24)
    ]
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def make_config(tmp_path: Path, chats: Path):
    """A run of 10 steps: 2 epochs of 5 batches of 4, saved and evaluated every 3 steps."""

    def make(run: str = "run", **fields: object) -> Config:
        settings = {
            **ten_steps(tmp_path / run),
            "data": ConversationFile(path=chats, test_rows=4, batching=Batching(batch_size=4)),
            "adam": Adam(learning_rate=0.3),
            "evaluation": Evaluation(every=Every(steps=3)),
        }
        return Config(**{**settings, **fields})

    return make


@pytest.fixture
def engine_home(tmp_path: Path) -> Path:
    """Where the double keeps its checkpoints."""
    return tmp_path / "engine"


@pytest.fixture
def watched(engine_home: Path) -> WatchedService:
    """A double whose clients tell what was submitted."""
    return WatchedService(engine_home)


@pytest.fixture
def make_engine(engine_home: Path):
    """An engine of the service given, or of a bigram model."""

    def make(service: object = None) -> Engine:
        service = service or double(engine_home)
        return Engine(service=service, kind="local", description="the bigram double")

    return make


@pytest.fixture
def run_on_double(make_engine, renderer):
    """Run a config on the double, as `train` does on a real engine."""

    def run(config: Config, service: object = None, evaluators=()):
        data = config.data.build(renderer=renderer, seed=config.seed)
        return asyncio.run(train_on(make_engine(service), config, data, evaluators))

    return run
