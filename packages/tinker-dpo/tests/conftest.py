"""A preference run on the bigram double: a tokenizer of bytes, a file of pairs, an engine."""

import asyncio
import json
from pathlib import Path

import pytest

from tinker_data import Batching
from tinker_dpo import Config, Dpo, Evaluation, PreferenceFile, open_data, train_on
from tinker_render import Renderer, get_renderer
from tinker_render.testing import byte_tokenizer
from tinker_train import Adam, Engine, Every
from tinker_train.testing import WatchedService, double, ten_steps


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    """ChatML over bytes: one token a byte, so that lengths can be counted by hand."""
    return get_renderer("chatml_plain", byte_tokenizer())


@pytest.fixture
def write_rows(tmp_path: Path):
    """Write rows to a JSONL file: dictionaries as JSON, strings as they are."""

    def write(rows: list[object], name: str = "rows.jsonl") -> Path:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / name
        path.write_text("".join(line + "\n" for line in lines))
        return path

    return write


@pytest.fixture
def pairs(write_rows) -> Path:
    """Twenty-four questions; an answer of b's is better than one of c's."""
    rows = [
        {"prompt": f"question {i}", "chosen": "ab" * (1 + i % 4), "rejected": "ac" * (1 + i % 3)}
        for i in range(24)
    ]
    return write_rows(rows, "pairs.jsonl")


@pytest.fixture
def make_config(tmp_path: Path, pairs: Path):
    """A run of 10 steps: 2 epochs of 5 batches of 4 pairs, saved and evaluated every 3 steps."""

    def make(run: str = "run", **fields: object) -> Config:
        settings = {
            **ten_steps(tmp_path / run),
            "data": PreferenceFile(path=pairs, test_rows=4),
            "objective": Dpo(beta=0.5),
            "batching": Batching(batch_size=4),
            "adam": Adam(learning_rate=0.1),
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
def run_on_double(engine_home, renderer):
    """Run a config on the double, as `train` does on a real engine."""

    def run(config: Config, service: object = None, evaluators=()):
        service = service or double(engine_home)
        engine = Engine(service=service, kind="local", description="the bigram double")
        return asyncio.run(train_on(engine, config, open_data(config, renderer), evaluators))

    return run
