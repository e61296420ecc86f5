"""The preference loop on a bigram model."""

import math

import numpy as np
import pytest

from tinker_core import DataError
from tinker_core.testing import BigramService
from tinker_data import Batching
from tinker_dpo import (
    Checkpoints,
    Dpo,
    Evaluation,
    Ipo,
    Kto,
    Orpo,
    PreferenceFile,
    Selection,
    SimPo,
    open_data,
)
from tinker_train import Adam, Constant, Never, read_checkpoints, read_metrics
from tinker_train.run.directory import RunDirectory


def metrics_of(config):
    return read_metrics(RunDirectory(config.run_dir).metrics_file)


def column(config, name):
    return {row["step"]: row[name] for row in metrics_of(config) if name in row}


@pytest.mark.parametrize(
    "objective",
    [Dpo(beta=0.5), Dpo(label_smoothing=0.1), Ipo(), SimPo(), Orpo(weight=1.0), Kto(beta=0.5)],
    ids=lambda objective: type(objective).__name__,
)
def test_every_objective_learns_to_prefer_what_is_preferred(
    objective, run_on_double, make_config
) -> None:
    config = make_config(objective=objective, schedule=Constant())
    after = run_on_double(config).metrics
    before = {name: column(config, name)[0] for name in after if name.startswith("test/")}
    assert after["test/loss"] < before["test/loss"]
    margin = {
        when: values["test/chosen_reward"] - values["test/rejected_reward"]
        for when, values in (("before", before), ("after", after))
    }
    assert margin["after"] > margin["before"] + 1e-3
    if not isinstance(objective, Kto):  # which counts gains over the reference point
        assert after["test/accuracy"] == 1.0


def test_before_the_first_step_policy_and_reference_agree(run_on_double, make_config) -> None:
    config = make_config()
    run_on_double(config)
    assert column(config, "test/loss")[0] == pytest.approx(math.log(2), abs=1e-6)
    assert column(config, "train/loss")[1] == pytest.approx(math.log(2), abs=1e-6)
    assert column(config, "train/margin")[1] == pytest.approx(0, abs=1e-6)
    assert column(config, "test/accuracy")[0] == 0.5


def test_the_gradient_that_reaches_the_model_is_that_of_the_loss(
    run_on_double, make_config, engine_home, renderer
) -> None:
    # One step of plain descent from a blank model, which AdamW makes when eps is large: the
    # logits move by -learning_rate * gradient / eps.
    eps = 1e6
    config = make_config(
        max_steps=1,
        num_epochs=1,
        batching=Batching(batch_size=20),
        adam=Adam(learning_rate=1.0, eps=eps),
        schedule=Constant(),
    )
    result = run_on_double(config)
    service = BigramService(engine_home, vocab_size=300)
    model = service.create_training_client_from_state(result.state_path).result().model
    items = open_data(config, renderer).train

    def loss(logits: np.ndarray) -> float:
        table = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        blank = -math.log(300)
        total = 0.0
        for i in range(len(items)):
            h = 0.0
            for sign, side in ((1, items[i].chosen), (-1, items[i].rejected)):
                tokens = side.datum.model_input.to_ints()
                targets = side.datum.loss_fn_inputs["target_tokens"].to_numpy()
                h += sign * float(side.mask @ (table[tokens, targets] - blank))
            total += math.log1p(math.exp(-0.5 * h))
        return total / len(items)

    moved = np.argsort(-np.abs(model.logits).ravel())[:5]
    for place in moved:
        step = np.zeros((300, 300))
        step.ravel()[place] = 1e-4
        slope = (loss(step) - loss(-step)) / 2e-4
        assert model.logits.ravel()[place] * eps == pytest.approx(-slope, rel=1e-3)


def test_the_next_forward_pass_is_submitted_before_the_step_is_awaited(
    run_on_double, make_config, watched
) -> None:
    config = make_config(
        checkpoints=Checkpoints(every=Never()),
        evaluation=Evaluation(every=Never(), at_start=False, at_end=False),
        num_epochs=1,
    )
    run_on_double(config, watched)
    policy = watched.clients[0].calls
    step = ["forward", "forward_backward", "optim_step"]
    assert policy == [*(step * 5), "save_state 000005", "save_weights_for_sampler 000005"]


def test_there_is_one_row_a_step_and_one_before_the_first(run_on_double, make_config) -> None:
    config = make_config()
    result = run_on_double(config)
    assert [row["step"] for row in metrics_of(config)] == list(range(11))
    assert list(column(config, "test/accuracy")) == [0, 3, 6, 9, 10]
    assert (result.step, result.end) == (10, "complete")
    assert column(config, "epoch")[5] == 0
    assert column(config, "epoch")[6] == 1


def test_a_checkpoint_contains_exactly_the_steps_that_it_is_named_after(
    run_on_double, make_config, watched
) -> None:
    config = make_config()
    run_on_double(config, watched)
    records = read_checkpoints(RunDirectory(config.run_dir).checkpoints_file)
    assert [record.step for record in records] == [3, 6, 9, 10]
    assert [record.final for record in records] == [False, False, False, True]
    calls = watched.clients[0].calls
    for record in records:
        before = calls[: calls.index(f"save_state {record.name}")]
        assert before.count("optim_step") == record.step
    saved = watched.create_training_client_from_state_with_optimizer(records[1].state_path)
    assert saved.result().model.step == 6


def test_a_skipped_pair_is_counted_and_its_neighbours_stay_in_full_batches(
    run_on_double, make_config, write_rows, capsys
) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "ab", "rejected": "ac"} for i in range(9)]
    rows[4]["rejected"] = "ab"
    config = make_config(
        data=PreferenceFile(path=write_rows(rows)),
        selection=Selection(bad_row="skip"),
        num_epochs=1,
    )
    run_on_double(config)
    assert list(column(config, "num_pairs").values()) == [4, 4]
    assert list(column(config, "num_skipped_rows").values()) == [1, 1]
    assert "rows skipped: 1\n  " in capsys.readouterr().out


def test_a_bad_pair_ends_the_run_before_it_begins_unless_it_may_be_skipped(
    run_on_double, make_config, write_rows
) -> None:
    rows = [{"prompt": "q", "chosen": "a", "rejected": "b"}, {"prompt": "q", "chosen": "a"}]
    config = make_config(data=PreferenceFile(path=write_rows(rows)))
    with pytest.raises(DataError, match=r"rows.jsonl:2: rejected: missing"):
        run_on_double(config)
    assert not config.run_dir.exists()


def test_fewer_pairs_than_a_batch_are_refused(run_on_double, make_config) -> None:
    with pytest.raises(DataError, match="preferences: 20 rows are fewer than one batch"):
        run_on_double(make_config(batching=Batching(batch_size=21)))
