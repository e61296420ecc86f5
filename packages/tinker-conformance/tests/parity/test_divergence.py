"""The judgement of differences."""

from __future__ import annotations

import numpy as np

from tinker_conformance.parity.divergence import Allowed, divergences
from tinker_conformance.parity.trajectory import Step, Trajectory

ALLOWED = Allowed(logprob=0.01, loss=0.01, gradient_norm=0.1)


def trajectory(loss=10.0, logprobs=(-1.0, -3.0), norm=5.0):
    return Trajectory((Step(loss, np.array(logprobs), norm),), 0.0)


def judged(b, other_seed):
    rows = divergences(trajectory(), b, other_seed, ALLOWED)
    return {row.quantity: row for row in rows}


def test_equal_runs_are_within():
    rows = judged(trajectory(), trajectory())
    assert all(row.within and row.difference == 0 for row in rows.values())


def test_differences_are_per_token_relative_and_mean():
    rows = judged(trajectory(loss=10.1, logprobs=(-1.0, -3.04), norm=4.0), trajectory())
    np.testing.assert_allclose(rows["loss per token"].difference, 0.05)
    np.testing.assert_allclose(rows["gradient norm"].difference, 0.2)
    np.testing.assert_allclose(rows["mean logprob"].difference, 0.02)
    assert not any(row.within for row in rows.values())


def test_two_seeds_on_a_widen_what_is_allowed():
    rows = judged(trajectory(logprobs=(-1.0, -3.04)), trajectory(logprobs=(-1.02, -3.0)))
    np.testing.assert_allclose(rows["mean logprob"].allowed, 0.01 + 2 * 0.01)
    assert rows["mean logprob"].within


def test_a_norm_that_one_server_does_not_report_is_left_out():
    assert "gradient norm" not in judged(trajectory(norm=None), trajectory())


def test_a_number_that_is_none_is_beyond():
    rows = judged(trajectory(loss=float("nan")), trajectory())
    assert not rows["loss per token"].within
