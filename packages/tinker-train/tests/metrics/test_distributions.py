"""How values were spread, step by step."""

from collections import Counter

from tinker_train.metrics.distributions import append_distribution, histograms, read_distributions
from tinker_train.run.directory import RunDirectory
from tinker_train.run.rewind import rewind


def kept(tmp_path, *rows):
    file = tmp_path / "distributions.jsonl"
    for step, values in rows:
        append_distribution(file, step, "train/reward", values)
    return read_distributions(file)


def test_few_values_are_counted_as_they_are(tmp_path):
    found = kept(tmp_path, (1, [0, 1, 1.0, -0.1]), (2, [1, float("nan")]), (3, []))
    assert found == {"train/reward": {1: {-0.1: 1, 0.0: 1, 1.0: 2}, 2: {1.0: 1}}}


def test_many_values_are_gathered_and_none_is_lost(tmp_path):
    found = kept(tmp_path, (1, [i / 1000 for i in range(1000)]))["train/reward"][1]
    assert len(found) == 32
    assert sum(found.values()) == 1000
    assert abs(sum(value * count for value, count in found.items()) / 1000 - 0.4995) < 1e-3


def test_a_step_that_is_told_again_holds_as_it_was_told_last(tmp_path):
    assert kept(tmp_path, (1, [0, 0]), (1, [1]))["train/reward"] == {1: {1.0: 1}}


def test_what_came_after_the_last_checkpoint_goes(tmp_path):
    kept(tmp_path, (0, [0]), (1, [1]))
    rewind(RunDirectory(tmp_path))
    assert read_distributions(tmp_path / "distributions.jsonl") == {}


def test_runs_share_their_bins():
    one, two = {1: {0.0: 3, 1.0: 1}}, {1: {1.0: 2}, 2: {0.5: 4}}
    pictures = histograms({"one": {"train/reward": one}, "two": {"train/reward": two}})
    assert [picture["name"] for picture in pictures] == [
        "train/reward, histogram: one",
        "train/reward, histogram: two",
    ]
    assert pictures[0]["bins"] == pictures[1]["bins"] == ["0", "0.5", "1"]
    assert pictures[0]["columns"] == [[1, 1, [3, 0, 1]]]
    assert pictures[1]["columns"] == [[1, 1, [0, 0, 2]], [2, 2, [0, 4, 0]]]


def test_many_values_and_steps_are_drawn_together():
    steps = {step: Counter({float(value): 1 for value in range(24)}) for step in range(250)}
    (picture,) = histograms({"run": {"train/reward": steps}})
    assert picture["bins"][0] == "0 to 1.92"
    assert len(picture["columns"]) == 84
    assert picture["columns"][0] == [0, 2, [6] * 12]
    assert picture["columns"][-1] == [249, 249, [2] * 12]
