"""The three loops on a bandit and the bigram double: they learn, resume, and keep their bounds."""

import asyncio
import random
from typing import Any

import numpy as np
import pytest
from attrs import define, evolve, field

from tinker_core import ConfigError, DataError, EngineError
from tinker_rl import (
    Advantage,
    AllEpisodesFailedError,
    Asynchronous,
    Checkpoints,
    Evaluation,
    KLPenalty,
    Learning,
    Loss,
    Reference,
    RolloutConfig,
    Sampling,
    Streaming,
    Synchronous,
)
from tinker_train import Every, StopRequest, read_checkpoints
from tinker_train.files import read_rows
from tinker_train.metrics.distributions import read_distributions

MODES = [Synchronous(), Streaming(minibatches=2), Asynchronous(max_staleness=2)]
LOSSES = ["importance_sampling", "ppo", "cispo", "dro", "gspo"]


def rewards(bench: Any, config: Any) -> list[float]:
    return [row["train/reward"] for row in bench.metrics(config) if "train/reward" in row]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: type(mode).__name__)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_reward_of_a_bandit_rises_to_its_optimum(
    mode: Any, loss: Any, bench: Any, arms: Any
) -> None:
    clips = {"clip_low": 0.8, "clip_high": 1.2} if loss == "gspo" else {}
    config = bench.config(mode=mode, learning=Learning(loss=Loss(name=loss, **clips)))
    groups = [arms(prompt=1 + i % 2, pays=3 + i % 2, size=16) for i in range(60)]
    bench.run(config, groups)
    found = rewards(bench, config)
    assert len(found) == 30
    assert np.mean(found[:3]) < 0.3  # chance is 1/16
    assert np.mean(found[-3:]) > 0.95


@pytest.mark.parametrize("kind", ["centred", "scaled", "leave_one_out", "gae"])
def test_every_estimator_of_the_advantage_learns(kind: Any, bench: Any, arms: Any) -> None:
    config = bench.config(learning=Learning(advantage=Advantage(kind=kind)))
    bench.run(config, [arms(size=16)] * 50)
    assert np.mean(rewards(bench, config)[-3:]) > 0.95


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: type(mode).__name__)
def test_substeps_divide_a_batch_into_optimizer_steps(mode: Any, bench: Any, arms: Any) -> None:
    learning = Learning(num_substeps=2, loss=Loss(name="ppo"))
    config = bench.config(mode=mode, learning=learning)
    result = bench.run(config, [arms()] * 12, per_batch=4)
    assert result.step == 6
    assert bench.training.calls.count("optim_step") == 6
    assert [row["step"] for row in bench.metrics(config)] == [2, 4, 6]


@define
class StopAfter:
    """A shaper that changes nothing, and asks the run to stop at its `count`-th batch."""

    count: int
    stop: StopRequest = field(factory=StopRequest)
    trained: list[int] = field(factory=list)
    """The prompts of the groups that were trained on."""

    async def __call__(self, ledgers: Any, groups_P: Any) -> Any:
        self.count -= 1
        if self.count == 0:
            self.stop.reason = "test"
        self.trained += [
            group.trajectories[0].transitions[0].observation.to_ints()[0] for group in groups_P
        ]
        return ledgers, {}


def run_in_parts(bench: Any, config: Any, groups: Any, counts: list[int]) -> list[int]:
    """Stop after so many batches, each time, and go on; returns what was trained on."""
    trained: list[int] = []
    for count in [*counts, 1000]:
        shaper = StopAfter(count)
        result = bench.run(config, groups, stop=shaper.stop, shapers=[shaper])
        assert result.end == ("stopped" if count < 1000 else "complete")
        trained += shaper.trained
    return trained


def test_interrupted_and_resumed_equals_uninterrupted(bench: Any, arms: Any) -> None:
    groups = [arms(prompt=i % 5, pays=3, size=4) for i in range(20)]
    whole = bench.config(run_dir=bench.folder / "whole", num_epochs=2)
    bench.run(whole, groups, test=groups[:3])
    expected = bench.training.model.logits.copy()
    parts = bench.config(run_dir=bench.folder / "parts", num_epochs=2)
    run_in_parts(bench, parts, groups, [3, 1, 7])
    without_test = [
        {name: value for name, value in row.items() if not name.startswith("test/")}
        for row in bench.metrics(whole)
    ]
    assert bench.metrics(parts) == [row for row in without_test if len(row) > 1]
    np.testing.assert_array_equal(bench.training.model.logits, expected)


def test_a_run_whose_last_steps_were_lost_tells_them_again(bench: Any, arms: Any) -> None:
    groups = [arms(prompt=i % 5, pays=3, size=4) for i in range(10)]
    whole = bench.config(run_dir=bench.folder / "whole")
    bench.run(whole, groups)
    killed = bench.config(run_dir=bench.folder / "killed")

    async def fails(ledgers: Any, groups_P: Any) -> Any:
        if groups_P[0].sampler_step == 3:
            raise EngineError("killed")
        return ledgers, {}

    with pytest.raises(EngineError, match="killed"):
        bench.run(killed, groups, shapers=[fails])
    assert [r.step for r in read_checkpoints(killed.run_dir / "checkpoints.jsonl")] == [2]
    bench.run(killed, groups)
    assert bench.metrics(killed) == bench.metrics(whole)


def test_checkpoints_are_named_after_the_steps_in_them(bench: Any, arms: Any) -> None:
    config = bench.config(checkpoints=Checkpoints(every=Every(steps=2)))
    result = bench.run(config, [arms()] * 10)
    records = read_checkpoints(config.run_dir / "checkpoints.jsonl")
    assert [(r.name, r.step, r.position, r.final) for r in records] == [
        ("000002", 2, {"batch": 2}, False),
        ("000004", 4, {"batch": 4}, False),
        ("000005", 5, {"batch": 5}, True),
    ]
    assert result.sampler_path == records[-1].sampler_path is not None
    calls = bench.training.calls
    assert calls[: calls.index("save_state 000002")].count("optim_step") == 2


class Slow:
    """Makes every group wait for a random while, and counts how often each began and was paid."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.paid: dict[int, int] = {}

    async def __call__(self, arms: Any) -> None:
        self.paid[arms.prompt] = self.paid.get(arms.prompt, 0) + 1
        for _ in range(self.random.choice([0, 0, 0, 1, 5, 60])):
            await asyncio.sleep(0)


@pytest.mark.parametrize("staleness", [0, 1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_no_group_is_older_than_the_bound_and_each_is_trained_on_once(
    staleness: int, seed: int, bench: Any, arms: Any
) -> None:
    trained = StopAfter(1000)
    slow = Slow(seed)
    rollouts = RolloutConfig(max_concurrent_groups=2 + seed)
    config = bench.config(mode=Asynchronous(max_staleness=staleness), rollouts=rollouts)
    groups = [arms(prompt=i, size=1, reached=slow) for i in range(15)]
    bench.run(config, groups, per_batch=3, shapers=[trained])
    ages = [row["staleness/max"] for row in bench.metrics(config)]
    assert len(ages) == 5
    assert max(ages) <= staleness
    assert sorted(trained.trained) == list(range(15))
    assert slow.paid == dict.fromkeys(range(15), 1)


def test_staleness_is_used_where_it_is_allowed(bench: Any, arms: Any) -> None:
    config = bench.config(mode=Asynchronous(max_staleness=2))
    bench.run(config, [arms(prompt=i % 4) for i in range(20)])
    assert max(row["staleness/max"] for row in bench.metrics(config)) > 0


def test_an_asynchronous_run_resumes_without_losing_or_repeating_a_group(
    bench: Any, arms: Any
) -> None:
    groups = [arms(prompt=i, size=1, reached=Slow(1)) for i in range(16)]
    config = bench.config(mode=Asynchronous(max_staleness=3))
    assert sorted(run_in_parts(bench, config, groups, [2, 3])) == list(range(16))
    assert [row["step"] for row in bench.metrics(config)] == list(range(1, 9))


def test_a_streaming_step_gathers_its_gradient_in_pieces(bench: Any, arms: Any) -> None:
    config = bench.config(mode=Streaming(minibatches=4))
    bench.run(config, [arms(size=2)] * 8, per_batch=8)
    assert bench.training.calls[:6] == [
        "save_weights_and_get_sampling_client",
        *["forward_backward"] * 4,
        "optim_step",
    ]


def test_a_gradient_in_pieces_is_the_gradient_of_the_whole(bench: Any, arms: Any) -> None:
    learning = Learning(loss=Loss(normalise="sequence"))
    rows = []
    for name, mode in (("whole", Synchronous()), ("pieces", Streaming(minibatches=4))):
        config = bench.config(
            run_dir=bench.folder / name, mode=mode, learning=learning, transcripts=8
        )
        bench.run(config, [arms(prompt=i, pays=3 + i) for i in range(8)], per_batch=8)
        rows += bench.metrics(config)
        transcript = read_rows(config.run_dir / "transcripts" / "train-000000.jsonl")
        assert len(transcript) == 64
        for episode in transcript:  # each token of each piece came back to its own episode
            (turn,) = episode["turns"]
            assert turn["trained_logprobs"] == pytest.approx(turn["logprobs"], rel=1e-6)
    whole, pieces = rows
    assert whole["optim/grad_norm"] > 0
    for metric in ("optim/grad_norm", "num_loss_tokens", "batch/sequences", "train/reward"):
        assert pieces[metric] == pytest.approx(whole[metric], rel=1e-5), metric


def test_training_begins_before_the_last_group_has_finished(bench: Any, arms: Any) -> None:
    sent = asyncio.Event()

    async def note(ledgers: Any, groups_P: Any) -> Any:
        sent.set()
        return ledgers, {}

    async def waits(arms: Any) -> None:
        if arms.prompt == 2:
            await sent.wait()  # a loop that waits for all groups would never end

    config = bench.config(mode=Streaming(minibatches=2))
    groups = [arms(prompt=1), arms(prompt=2, reached=waits)]
    assert bench.run(config, groups, shapers=[note]).step == 1


def test_the_test_set_is_played_before_between_and_after(bench: Any, arms: Any) -> None:
    evaluation = Evaluation(every=Every(steps=2), temperature=0.0)
    config = bench.config(evaluation=evaluation)

    async def evaluator(sampler: Any) -> dict[str, float]:
        return {"mine": float(sampler.table[1, 3])}

    bench.run(config, [arms()] * 6, test=[arms(size=1)], evaluators=[evaluator])
    rows = {row["step"]: row for row in bench.metrics(config)}
    assert [step for step, row in rows.items() if "test/reward" in row] == [0, 2, 3]
    assert rows[3]["test/reward"] == rows[3]["test/env/all/reward"]
    assert rows[0]["mine"] == pytest.approx(-np.log(16))
    assert rows[3]["mine"] > rows[2]["mine"] > rows[0]["mine"]


def test_metrics_say_what_happened(bench: Any, arms: Any) -> None:
    config = bench.config()
    bench.run(config, [arms(prompt=1, pays=3, size=4), arms(prompt=2, pays=99, size=4)])
    (row,) = bench.metrics(config)
    assert row["env/all/episodes"] == 8
    assert row["env/arm2/groups/all_bad"] == 1.0
    assert [row[f"env/arm2/reward_p{p}"] for p in (10, 50, 90)] == [0.0, 0.0, 0.0]
    assert row["env/all/stop/completed"] == 1.0
    assert row["env/all/sampled_tokens"] == row["env/all/prompt_tokens"] == 1.0
    assert row["num_loss_tokens"] == row["num_tokens"] == row["batch/sequences"] == 8
    assert row["kl_sampler_trainer/k3"] == pytest.approx(0.0, abs=1e-9)
    assert row["entropy"] == pytest.approx(np.log(16), rel=1e-6)
    assert row["optim/grad_norm"] >= 0
    assert row["learning_rate"] == 0.3


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: type(mode).__name__)
def test_the_spread_of_each_steps_rewards_is_kept(mode: Any, bench: Any, arms: Any) -> None:
    config = bench.config(mode=mode, evaluation=Evaluation(every=Every(steps=2)))
    bench.run(config, [arms(size=4)] * 8, test=[arms(size=8)])
    kept = read_distributions(config.run_dir / "distributions.jsonl")
    for name, size in (("train/reward", 8), ("test/reward", 8)):
        means = {row["step"]: row[name] for row in bench.metrics(config) if name in row}
        assert kept[name].keys() == means.keys()
        for step, counts in kept[name].items():
            assert sum(counts.values()) == size
            assert sum(value * count for value, count in counts.items()) / size == means[step]


def test_recomputed_logprobs_take_the_samplers_place(bench: Any, arms: Any) -> None:
    config = bench.config(learning=Learning(recompute_logprobs=True))
    bench.run(config, [arms()] * 2)
    assert "forward" in bench.training.calls
    assert bench.metrics(config)[0]["kl_sampler_trainer/k1"] == pytest.approx(0.0, abs=1e-6)


def test_a_kl_penalty_holds_the_policy_to_its_reference(bench: Any, arms: Any) -> None:
    groups = [arms(size=16)] * 40
    free = bench.config(run_dir=bench.folder / "free")
    bench.run(free, groups)
    unheld = bench.training.model.logprobs()[1, 3]
    penalty = KLPenalty(coefficient=1.0)
    reference = bench.service.create_sampling_client(base_model="bigram").result()
    held = bench.config(run_dir=bench.folder / "held", kl_penalty=penalty)
    bench.run(held, groups, shapers=[Reference(reference, penalty)])
    # the optimum of E[r] - KL(p || uniform) is p ~ exp(r): e / (e + 15)
    assert np.exp(bench.training.model.logprobs()[1, 3]) == pytest.approx(
        np.e / (np.e + 15), abs=0.12
    )
    assert np.exp(unheld) > 0.9
    assert bench.metrics(held)[0]["kl_policy_reference"] == pytest.approx(0.0, abs=1e-6)
    assert bench.metrics(held)[-1]["kl_policy_reference"] > 0


def test_constant_groups_can_be_left_out(bench: Any, arms: Any) -> None:
    learning = Learning(remove_constant_groups=True)
    config = bench.config(learning=learning)
    bench.run(config, [arms(pays=99, size=4), arms(pays=99, size=4)])
    (row,) = bench.metrics(config)
    assert row["batch/constant_groups"] == 2
    assert row["batch/sequences"] == 1  # something has to be there for the step to exist


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: type(mode).__name__)
def test_without_anything_to_train_on_the_run_ends_with_an_error(
    mode: Any, bench: Any, arms: Any
) -> None:
    with pytest.raises(DataError, match="no batch"):
        bench.run(bench.config(mode=mode), [])

    async def breaks(_: Any) -> None:
        raise OSError("sandbox down")

    config = bench.config(mode=mode, rollouts=RolloutConfig(on_failed_episode="drop"))
    with pytest.raises(AllEpisodesFailedError):
        bench.run(evolve(config, run_dir=bench.folder / "2"), [arms(reached=breaks)] * 2)


def test_settings_that_contradict_each_other_are_refused(bench: Any) -> None:
    with pytest.raises(ConfigError, match="temperature 1"):
        bench.config(sampling=Sampling(temperature=0.7), kl_penalty=KLPenalty(coefficient=0.1))
    with pytest.raises(ConfigError, match="not a multiple"):
        bench.config(max_steps=3, learning=Learning(num_substeps=2))


def test_max_steps_ends_a_run_early(bench: Any, arms: Any) -> None:
    config = bench.config(max_steps=2)
    assert bench.run(config, [arms()] * 10).step == 2
