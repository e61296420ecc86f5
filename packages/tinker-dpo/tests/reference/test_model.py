"""The frozen reference of a run."""

import signal

import numpy as np
import pytest

from tinker_dpo import PreferenceFile, SimPo
from tinker_dpo.reference.logprobs import FILE_NAME, ReferenceFile
from tinker_train import Constant, read_checkpoints, read_metrics
from tinker_train.testing import KillingService, double, exit_code_in_child


def column(config, name):
    rows = read_metrics(config.run_dir / "metrics.jsonl")
    return {row["step"]: row[name] for row in rows if name in row}


def test_it_is_asked_once_for_each_response_and_never_trained(
    run_on_double, make_config, watched
) -> None:
    run_on_double(make_config(), watched)
    policy, reference = watched.clients
    assert set(reference.calls) == {"forward"}
    assert len(reference.calls) <= 6  # 20 train and 4 test pairs in batches of 4, for two epochs
    assert np.all(reference.model.logits == 0)
    assert np.any(policy.model.logits != 0)


def test_an_objective_without_a_reference_makes_none(run_on_double, make_config, watched) -> None:
    run_on_double(make_config(objective=SimPo()), watched)
    assert len(watched.clients) == 1
    assert not (make_config().run_dir / "reference.jsonl").exists()


def test_a_resumed_run_does_not_compute_it_again(make_config, run_on_double, engine_home) -> None:
    config = make_config()
    killing = KillingService(engine_home, calls_left=30)
    assert exit_code_in_child(run_on_double, config, killing) == -signal.SIGKILL
    assert read_checkpoints(config.run_dir / "checkpoints.jsonl")[-1].step == 3
    before = (engine_home / "runs.json").read_text()
    assert exit_code_in_child(run_on_double, config, double(engine_home)) == 0
    assert int((engine_home / "runs.json").read_text()) == int(before) + 1  # the policy alone


def test_a_lost_file_is_computed_again_from_where_the_policy_began(
    make_config, run_on_double
) -> None:
    config = make_config()
    run_on_double(config)
    file = ReferenceFile(config.run_dir / FILE_NAME)
    before = file.read()
    file.path.unlink()
    run_on_double(config)
    assert file.read() == before


def test_a_short_run_asks_the_reference_for_what_it_needs_alone(
    run_on_double, make_config, watched, pairs
) -> None:
    config = make_config(max_steps=2, data=PreferenceFile(path=pairs))
    run_on_double(config, watched)
    assert watched.clients[1].calls == ["forward", "forward"]


def test_a_named_reference_is_used_instead_of_the_first_policy(run_on_double, make_config) -> None:
    trained = run_on_double(make_config("first", schedule=Constant()))
    config = make_config("second", reference=trained.state_path)
    run_on_double(config)
    assert column(config, "train/margin")[1] < -0.01  # the blank policy lags behind it


def test_a_run_that_starts_from_a_state_has_that_state_as_its_reference(
    run_on_double, make_config
) -> None:
    trained = run_on_double(make_config("first", schedule=Constant()))
    config = make_config("second", start_from=trained.state_path)
    run_on_double(config)
    assert column(config, "train/margin")[1] == pytest.approx(0, abs=1e-6)
    assert column(config, "train/chosen_logprob")[1] > -30
