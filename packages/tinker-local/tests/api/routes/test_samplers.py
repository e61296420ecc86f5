"""Samplers and their clones, on the echo backend."""

from __future__ import annotations

from api_calls import post, sample


def test_a_sample_that_is_submitted_twice_keeps_its_ids(http, sampler):
    first, again = sample(http, sampler, 0, num_samples=2), sample(http, sampler, 0, num_samples=2)
    assert first.json() == again.json()
    assert len(set(first.json()["sample_sequence_ids"])) == 2


def test_clones_of_a_sampling_client_get_different_numbers(http, sampler):
    numbers = [
        post(http, "/join_sampling_session", sampling_session_id=sampler).json()["client_counter"]
        for _ in range(3)
    ]
    assert numbers == [1, 2, 3]
