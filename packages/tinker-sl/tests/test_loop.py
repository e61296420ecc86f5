"""The supervised loop on a bigram model."""

import asyncio
import math
from itertools import pairwise

import pytest
import tinker
from attrs import evolve

from tinker_core import ConfigError, DataError, EngineError
from tinker_core.testing import BigramService
from tinker_data import Batching, ConversationFile, Position, Reading, Rendering
from tinker_sl import Checkpoints, Evaluation, run_length, supervised_loop, train_on
from tinker_train import (
    Adam,
    Constant,
    Every,
    Linear,
    Never,
    Run,
    read_checkpoints,
    read_metrics,
)
from tinker_train.files import read_rows
from tinker_train.run.directory import RunDirectory
from tinker_train.testing import WatchedService


def metrics_of(config):
    return read_metrics(RunDirectory(config.run_dir).metrics_file)


def records_of(config):
    return read_checkpoints(RunDirectory(config.run_dir).checkpoints_file)


def column(config, name):
    return {row["step"]: row[name] for row in metrics_of(config) if name in row}


def test_it_learns_what_it_is_shown(run_on_double, make_config):
    config = make_config(schedule=Constant())
    result = run_on_double(config)
    test_nll = column(config, "test/nll")
    assert test_nll[0] == pytest.approx(math.log(300), rel=1e-4)  # a blank model: all 300 tokens
    assert test_nll[10] < 0.5 * test_nll[0]
    assert result.metrics["test/nll"] == test_nll[10]
    assert (result.step, result.end) == (10, "complete")


def test_there_is_one_row_a_step_and_one_before_the_first(run_on_double, make_config):
    config = make_config()
    run_on_double(config)
    assert [row["step"] for row in metrics_of(config)] == list(range(11))
    assert list(column(config, "train/nll")) == list(range(1, 11))


def test_held_out_data_is_measured_before_the_first_step_at_the_cadence_and_after_the_last(
    run_on_double, make_config
):
    config = make_config()
    run_on_double(config)
    assert list(column(config, "test/nll")) == [0, 3, 6, 9, 10]


def test_a_measurement_at_the_cadence_and_at_the_end_is_made_once(
    run_on_double, make_config, watched
):
    config = make_config(max_steps=9)
    run_on_double(config, watched)
    assert list(column(config, "test/nll")) == [0, 3, 6, 9]
    assert watched.clients[0].calls.count("forward") == 4


def test_no_evaluation_at_either_end_is_possible(run_on_double, make_config):
    config = make_config(evaluation=Evaluation(every=Never(), at_start=False, at_end=False))
    run_on_double(config)
    assert column(config, "test/nll") == {}


class SlowEngine:
    """A bigram client that answers one step at a time; `log` says what came when."""

    def __init__(self, inner):
        self.inner, self.log, self.steps = inner, [], 0
        self.last = None

    def forward_backward(self, *arguments):
        self.steps += 1
        self.log.append(f"{self.steps} submitted")
        return self.inner.forward_backward(*arguments)

    def optim_step(self, *arguments):
        value = self.inner.optim_step(*arguments)
        self.last = asyncio.ensure_future(self.work(value, self.steps, self.last))
        return self.last

    async def work(self, value, number, before):
        if before is not None:
            await before
        for _ in range(50):  # more turns of the event loop than a loop needs to submit again
            await asyncio.sleep(0)
        self.log.append(f"{number} back")
        return value.result()

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_step_is_submitted_on_top_of_as_many_as_it_was_said(
    make_config, renderer, tmp_path, depth
):
    config = make_config(submit_ahead=depth, max_steps=6)
    data = config.data.build(renderer=renderer, seed=0)
    service = BigramService(tmp_path / "slow", vocab_size=300)
    engine = SlowEngine(service.create_lora_training_client("double").result())
    run = Run(directory=RunDirectory(tmp_path))
    asyncio.run(supervised_loop(config, engine, data, run))
    for number in range(1, 7):
        until = engine.log[: engine.log.index(f"{number} submitted")]
        on_their_way = number - 1 - sum(entry.endswith("back") for entry in until)
        assert on_their_way == min(depth, number - 1)


def test_a_checkpoint_contains_exactly_the_steps_that_it_is_labelled_with(
    run_on_double, make_config, engine_home
):
    config = make_config()
    run_on_double(config)
    service = BigramService(engine_home, vocab_size=300)
    records = records_of(config)
    assert [(record.step, record.final) for record in records] == [
        (3, False),
        (6, False),
        (9, False),
        (10, True),
    ]
    for record in records:
        client = service.create_training_client_from_state_with_optimizer(record.state_path)
        assert client.result().model.step == record.step  # AdamW counts its steps
        assert record.name == f"{record.step:06d}"


def test_saves_stand_between_the_calls_of_the_steps_that_they_separate(
    run_on_double, make_config, watched
):
    run_on_double(make_config(evaluation=Evaluation(every=Never(), at_start=False)), watched)
    step = ["forward_backward", "optim_step"]
    assert watched.clients[0].calls == [
        *step * 3,
        "save_state 000003",
        "save_weights_for_sampler 000003",
        *step * 3,
        "save_state 000006",
        "save_weights_for_sampler 000006",
        *step * 3,
        "save_state 000009",
        "save_weights_for_sampler 000009",
        *step,
        "forward",
        "save_state 000010",
        "save_weights_for_sampler 000010",
    ]


def test_only_so_many_checkpoints_are_kept_and_the_last_one_always(
    make_config, make_engine, renderer, engine_home
):
    service = BigramService(engine_home, vocab_size=300)

    async def delete(path):
        service.file(path).unlink()

    config = make_config(checkpoints=Checkpoints(every=Every(steps=2), keep=2))
    data = config.data.build(renderer=renderer, seed=0)
    asyncio.run(train_on(evolve(make_engine(service), delete_checkpoint=delete), config, data))
    records = records_of(config)
    assert [record.step for record in records] == [6, 8, 10]
    saved = {service.file(record.state_path) for record in records}
    assert set(engine_home.glob("*/weights/*.npz")) == saved


def test_the_learning_rate_ends_where_the_schedule_says(run_on_double, make_config):
    config = make_config(schedule=Linear(end=0.1))
    run_on_double(config)
    rates = list(column(config, "learning_rate").values())
    assert rates[0] == pytest.approx(0.3)
    assert rates[-1] == pytest.approx(0.03)
    assert all(a - b == pytest.approx(0.03) for a, b in pairwise(rates))


def test_max_steps_ends_the_run_and_the_schedule_with_it(run_on_double, make_config):
    config = make_config(max_steps=4)
    assert run_on_double(config).step == 4
    assert column(config, "learning_rate")[4] == 0.0


def test_tokens_are_counted(run_on_double, make_config):
    config = make_config(max_steps=5, num_epochs=1)
    run_on_double(config)
    assert set(column(config, "num_sequences").values()) == {4}
    # 20 answers of 2, 4, 6 or 8 letters, each with an end token
    assert 20 * 3 <= sum(column(config, "num_loss_tokens").values()) <= 20 * 9
    tokens = sum(column(config, "num_tokens").values())
    assert records_of(config)[-1].progress.tokens == tokens


def test_what_the_data_loses_is_in_the_metrics(run_on_double, make_config, chats):
    data = ConversationFile(
        path=chats, batching=Batching(batch_size=24), rendering=Rendering(max_length=40)
    )
    config = make_config(data=data, num_epochs=1, schedule=Constant())
    run_on_double(config)
    # a question and the headers are 30 tokens, 29 below question 10; an answer of 8 letters and
    # its end are 9 more, so nothing is lost at 40
    assert column(config, "num_truncated") == {}
    config = make_config(
        "cut",
        data=evolve(data, rendering=Rendering(max_length=36)),
        num_epochs=1,
        schedule=Constant(),
    )
    run_on_double(config)
    assert column(config, "num_truncated") == {1: 10}  # six answers of 8 letters, and four of 6


@pytest.mark.parametrize(("epochs", "most", "expected"), [(2, None, 10), (2, 7, 7), (1, 99, 5)])
def test_a_run_is_as_long_as_its_epochs_or_its_limit(make_config, renderer, epochs, most, expected):
    config = make_config(num_epochs=epochs, max_steps=most)
    assert run_length(config, config.data.build(renderer=renderer, seed=0)) == expected


def test_an_engine_that_refuses_ends_the_run_with_its_own_words(
    run_on_double, make_config, watched
):
    class Refusing(WatchedService):
        def create_lora_training_client(self, base_model, **_):
            from tinker_core.testing import ReadyFuture, refused

            def call():
                raise refused(f"no model {base_model!r} here")

            return ReadyFuture(call)

    config = make_config()
    with pytest.raises(EngineError, match=r"model 'double': .*no model 'double' here"):
        run_on_double(config, Refusing(watched.folder))
    assert not config.run_dir.exists()  # nothing half-written


def test_a_warm_up_longer_than_the_run_fails_before_the_first_step(
    run_on_double, make_config, watched
):
    with pytest.raises(ConfigError, match="warm-up"):
        run_on_double(make_config(schedule=Linear(warmup_steps=10)), watched)
    assert watched.clients[0].calls == []


def test_a_row_that_cannot_be_used_ends_the_run_with_its_place(run_on_double, make_config, chats):
    rows = chats.read_text().splitlines()
    rows[6] = '{"messages": [{"role": "user", "content": "hi"}]}'
    chats.write_text("\n".join(rows) + "\n")
    data = ConversationFile(
        path=chats, batching=Batching(batch_size=4, shuffle=False), reading=Reading(check=False)
    )
    config = make_config(data=data)
    with pytest.raises(DataError, match=r"chats.jsonl:7: messages: no assistant message"):
        run_on_double(config)


def test_positions_are_those_of_the_batches_that_come_next(run_on_double, make_config):
    config = make_config(checkpoints=Checkpoints(every=Every(steps=5)))
    run_on_double(config)
    positions = [Position(**record.position) for record in records_of(config)]
    assert positions == [Position(epoch=1), Position(epoch=2)]


def test_a_wish_to_stop_is_granted_after_the_steps_on_their_way(make_config, renderer, tmp_path):
    config = make_config(schedule=Constant(), adam=Adam(learning_rate=0.1))
    data = config.data.build(renderer=renderer, seed=0)
    training = BigramService(tmp_path / "e", vocab_size=300).create_lora_training_client("d")
    run = Run(directory=RunDirectory(tmp_path))

    class StopAt4:
        def log_metrics(self, metrics, step):
            if step == 4:
                run.stop.reason = "SIGINT"

        def close(self):
            pass

    run = evolve(run, sinks=evolve(run.sinks, sinks=(StopAt4(),)))
    result = asyncio.run(supervised_loop(config, training.result(), data, run))
    assert result.end == "stopped"
    assert 4 <= result.step <= 6
    last = read_checkpoints(run.directory.checkpoints_file)[-1]
    assert (last.step, last.final) == (result.step, False)


def test_evaluators_sample_from_a_snapshot_of_their_step_beside_training(
    run_on_double, make_config, watched, renderer
):
    seen = []

    async def likelihood_of_b_after_a(sampler):
        prompt = tinker.ModelInput.from_ints(
            renderer.tokenizer.encode("ab", add_special_tokens=False)
        )
        await asyncio.sleep(0.01)  # training goes on meanwhile
        seen.append(watched.clients[0].calls.count("optim_step"))
        return {"ab": (await sampler.compute_logprobs(prompt))[1]}

    config = make_config(schedule=Constant())
    run_on_double(config, watched, [likelihood_of_b_after_a])
    values = column(config, "eval/ab")
    assert list(values) == [0, 3, 6, 9, 10]
    assert values[0] == pytest.approx(-math.log(300))  # of the model before its first step
    assert list(values.values()) == sorted(values.values())
    assert seen[0] > 0


def test_a_run_ends_when_patience_does_and_is_complete(run_on_double, make_config):
    # the rate is so high that the held-out loss soon gets no better
    config = make_config(
        adam=Adam(learning_rate=30.0),
        schedule=Constant(),
        num_epochs=20,
        evaluation=Evaluation(every=Every(steps=1), patience=3),
    )
    result = run_on_double(config)
    values = list(column(config, "test/nll").values())
    assert result.end == "complete"
    assert result.step == len(values) - 1 < 100
    assert min(values) == values[-4] < min(values[-3:])
    assert records_of(config)[-1].final
    assert records_of(config)[-1].step == result.step


def test_where_the_time_went_is_in_the_trace(run_on_double, make_config):
    config = make_config()
    run_on_double(config)
    spans = read_rows(RunDirectory(config.run_dir).trace_file)
    numbers = [span["about"]["number"] for span in spans if span["name"] == "step"]
    assert sorted(numbers) == list(range(1, 11))
    assert {"data", "wait", "evaluate"} <= {span["name"] for span in spans}


def test_a_report_lies_beside_the_run_when_it_is_over(run_on_double, make_config):
    config = make_config()
    run_on_double(config)
    assert "test/nll" in RunDirectory(config.run_dir).report_file.read_text()
