"""A killed engine ends a run with one error, and the run resumed is as if it had not been."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from tinker_core import EngineError
from tinker_data import Batching, ConversationFile
from tinker_sl import Checkpoints, Config, train
from tinker_train import Adam, Every

SECONDS = {"time/step", "time/data", "tokens_per_second"}
KEY = "tml-restarted"


@define(eq=False)
class Engine:
    """`tinker-local serve`, on one home and one port in all its lives."""

    home: Path
    port: int
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        where = ["--home", str(self.home), "--port", str(self.port), "--key", KEY]
        command = [sys.executable, "-m", "tinker_local", "serve", *where]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("tinker-local serves ")

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def restart_after(self, rows: int, run_dir: Path) -> None:
        """Kill it and start it again as soon as the run has written so many rows."""
        while len(rows_of(run_dir)) < rows:
            time.sleep(0.01)
        self.kill()
        self.start()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A running engine, which everything that connects finds."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("TINKER_BASE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    engine = Engine(tmp_path / "home", port)
    engine.start()
    yield engine
    engine.kill()


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[[str], Config]:
    """Sixteen steps on sums."""
    data = tmp_path / "sums.jsonl"
    sums = [(a, b) for a in range(8) for b in range(8)]
    data.write_text("".join(f"{json.dumps(sum_row(a, b))}\n" for a, b in sums))
    return lambda name: Config(
        model="local/tiny",
        data=ConversationFile(path=data, batching=Batching(batch_size=8)),
        run_dir=tmp_path / name,
        adam=Adam(learning_rate=5e-3),
        num_epochs=2,
        checkpoints=Checkpoints(every=Every(steps=3)),
    )


def sum_row(a: int, b: int) -> dict[str, Any]:
    """A chat about a sum."""
    question = {"role": "user", "content": f"What is {a}+{b}?"}
    return {"messages": [question, {"role": "assistant", "content": str(a + b)}]}


def rows_of(run_dir: Path) -> list[dict[str, Any]]:
    """The metrics so far, but for those that the clock decides."""
    file = run_dir / "metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [{key: row[key] for key in row.keys() - SECONDS} for row in rows]


def test_a_run_whose_engine_was_killed_and_restarted_resumes_as_if_it_had_not_been(
    engine: Engine, make_config: Callable[[str], Config]
) -> None:
    whole, lost = make_config("whole"), make_config("lost")
    train(whole)
    assassin = threading.Thread(target=engine.restart_after, args=(8, lost.run_dir))
    assassin.start()
    with pytest.raises(EngineError, match=r"unknown (model|request)"):
        train(lost)
    assassin.join()
    assert len(rows_of(lost.run_dir)) < len(rows_of(whole.run_dir))
    train(lost, existing="resume")
    assert rows_of(lost.run_dir) == rows_of(whole.run_dir)
