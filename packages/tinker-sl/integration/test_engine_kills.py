"""Whatever becomes of the engine or of the way to it, resumed is as if nothing had happened.

A proxy between the run and a real engine loses the n-th message, whichever side it comes from;
then the engine is killed with SIGKILL and started again on the same home and port, or the network
stays away for seconds. `SL_KILLS` sets how many n are tried of each.
"""

import asyncio
import json
import os
import random
import time
from contextlib import suppress

import pytest

from tinker_core import EngineError
from tinker_data import Batching, ConversationFile
from tinker_sl import Checkpoints, Config, Evaluation, renderer_for, train, train_on
from tinker_train import Adam, Every, Lora, connect, read_checkpoints, read_metrics
from tinker_train.run.directory import RunDirectory

PARTS = [  # of a run; what comes in its last tenth comes too late
    round(random.Random(i).uniform(0.02, 0.9), 3)
    for i in range(int(os.environ.get("SL_KILLS", "3")))
]
SECONDS = ("time/", "tokens_per_second")


@pytest.fixture(scope="module")
def make_config(tmp_path_factory):
    """Twelve steps on sums, saved every three and measured every four."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {a}+{b}?"},
                {"role": "assistant", "content": str(a + b)},
            ]
        }
        for a in range(8)
        for b in range(8)
    ]
    folder = tmp_path_factory.mktemp("runs")
    path = folder / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def make(name):
        return Config(
            model="local/tiny",
            data=ConversationFile(path=path, test_rows=16, batching=Batching(batch_size=12)),
            run_dir=folder / name,
            adam=Adam(learning_rate=5e-3),
            lora=Lora(rank=4),
            num_epochs=3,
            checkpoints=Checkpoints(every=Every(steps=3)),
            evaluation=Evaluation(every=Every(steps=4)),
        )

    return make


def end_of(config, engine):
    """The metrics but for what the clock decides, and the final weights and optimizer, as bytes."""
    directory = RunDirectory(config.run_dir)
    rows = [
        {key: value for key, value in row.items() if not key.startswith(SECONDS)}
        for row in read_metrics(directory.metrics_file)
    ]
    record = read_checkpoints(directory.checkpoints_file)[-1]
    assert record.final
    folder = engine.home / "checkpoints" / record.state_path.removeprefix("tinker://")
    files = ("adapter_model.safetensors", "optimizer.safetensors")
    return rows, [(folder / file).read_bytes() for file in files]


@pytest.fixture(scope="module")
def whole(make_config, engine, network):
    """How a run ends that nothing happened to, and how many messages that takes."""
    network.begin(None)
    config = make_config("whole")
    train(config)
    return end_of(config, engine), network.seen


@pytest.fixture
def restart(engine):
    """Kill the engine and start it again."""

    def kill_and_start():
        engine.kill()
        engine.start()

    return kill_and_start


@pytest.mark.parametrize("part", PARTS)
def test_an_engine_killed_at_any_message_and_a_run_resumed_is_as_if_never_killed(
    make_config, engine, network, whole, restart, part
):
    config, (expected, messages) = make_config(f"killed-{part}"), whole
    network.begin(round(part * messages), restart)
    with suppress(EngineError):  # it goes on where nothing is lost, before there is a model
        train(config)
    assert network.has_failed
    network.begin(None)
    train(config, existing="resume")
    assert end_of(config, engine) == expected


def test_an_engine_killed_again_and_again_is_no_obstacle(
    make_config, engine, network, whole, restart
):
    config, (expected, _) = make_config("killed"), whole
    for place in (60, 120, 90):  # enough for one more checkpoint each time, or not quite
        network.begin(place, restart)
        with suppress(EngineError):
            train(config, existing="resume")
    network.begin(None)
    train(config, existing="resume")
    assert end_of(config, engine) == expected


@pytest.mark.parametrize("part", PARTS)
def test_a_network_that_is_away_for_seconds_is_survived_and_no_step_counts_twice(
    make_config, engine, network, whole, part
):
    config, (expected, messages) = make_config(f"cut-{part}"), whole
    network.begin(round(part * messages), lambda: time.sleep(2))
    train(config)
    assert network.has_failed
    assert end_of(config, engine) == expected


def test_a_run_that_ends_while_the_network_is_away_is_complete(make_config, engine, network):
    config = make_config("cut")
    with connect() as connection:
        data = config.data.build(renderer=renderer_for(config.model), seed=config.seed)
        result = asyncio.run(train_on(connection, config, data))
        network.begin(1, lambda: time.sleep(30))
        began = time.monotonic()
    assert time.monotonic() - began < 20
    assert result.end == "complete"
