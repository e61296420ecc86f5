"""Each example of reinforcement learning runs on a model made for tests."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest
import tinker

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One local engine for all examples, as variables of the environment."""
    (found,) = entry_points(group="tinker.engines")
    with found.load()(home=tmp_path_factory.mktemp("engine")) as local:
        yield {"TINKER_BASE_URL": local.base_url, "TINKER_API_KEY": local.api_key}


@pytest.fixture(scope="module")
def state(engine: dict[str, str]) -> str:
    """A checkpoint in the place of a warm start, which takes its time."""
    address, key = engine["TINKER_BASE_URL"], engine["TINKER_API_KEY"]
    with tinker.ServiceClient(base_url=address, api_key=key) as service:
        client = service.create_lora_training_client("local/tiny").result()
        return client.save_state("warm").result().path


def run(name: str, arguments: list[str], engine: dict[str, str], folder: Path) -> str:
    """What the example printed; its warnings are its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py"), *arguments],
        cwd=folder,
        env={**os.environ, **engine},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(name: str) -> ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_loop_by_hand_runs_and_is_short(engine: dict[str, str], tmp_path: Path) -> None:
    arguments = ["--steps", "2", "--problems", "4", "--attempts", "4"]
    assert "step   1  reward" in run("rl_loop", arguments, engine, tmp_path)
    assert len((HERE / "rl_loop.py").read_text().splitlines()) < 120


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rl_basic", "--data.problems 4 --data.attempts 4"),
        ("rl_math", "--data.group-size 2 --data.groups-per-batch 4"),
        ("rl_multi_turn", "--data.attempts 2 --start-from STATE"),
        (
            "rl_tools",
            "--model local/tiny --data.attempts 2 --data.test-problems 2 --start-from STATE",
        ),
        (
            "rl_self_play",
            "--model local/tiny --data.games 4 --data.groups 2 --data.attempts 2 "
            "--data.test-games 2",
        ),
        ("rl_code", ""),
        ("on_policy_distillation", "--data.answers 1"),
    ],
)
def test_an_example_runs(
    name: str, arguments: str, engine: dict[str, str], state: str, tmp_path: Path
) -> None:
    options = ["--max-steps", "2", "--run-dir", "run", *arguments.replace("STATE", state).split()]
    said = run(name, options, engine, tmp_path)
    assert "complete after 2 steps" in said
    assert list((tmp_path / "run" / "logtree").glob("train-*.html"))


def test_answers_are_compared_as_numbers_where_math_verify_is_missing() -> None:
    is_right = load("rl_math").is_right
    assert is_right("so it is 72", "He sold... #### 72")
    assert not is_right("so it is 27", "#### 72")
