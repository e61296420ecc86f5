"""Snapshots of a model in training, on the echo backend."""

from __future__ import annotations

from api_calls import first_logprob, optim_step, outcome, post, sample


def save(http, model, number, sampler_number, **fields):
    answer = post(
        http,
        "/save_weights_for_sampler",
        model_id=model,
        seq_id=number,
        sampling_session_seq_id=sampler_number,
        **fields,
    )
    return outcome(http, answer).json()["sampling_session_id"]


def test_a_snapshot_keeps_its_weights_and_inflight_samplers_follow_the_newest(http, model):
    def weight(sampler, number):
        return -first_logprob(http, sample(http, sampler, number))

    optim_step(http, model, 1)
    kept = save(http, model, 2, 0, kind="snapshot")
    following = save(http, model, 3, 1, kind="inflight")
    assert (weight(kept, 0), weight(following, 0)) == (1.0, 1.0)
    optim_step(http, model, 4)
    newer = save(http, model, 5, 2, kind="inflight")
    assert (weight(kept, 1), weight(following, 1), weight(newer, 1)) == (1.0, 2.0, 2.0)


def test_an_adapter_that_was_evicted_from_memory_comes_back_from_its_snapshot(http, model):
    samplers = []
    for index in range(8):
        optim_step(http, model, 2 * index + 1)
        samplers.append(save(http, model, 2 * index + 2, index))
    for index, sampler in enumerate(samplers):
        assert -first_logprob(http, sample(http, sampler, 0)) == index + 1.0


def test_an_unknown_kind_of_snapshot_is_refused_by_name(http, model):
    answer = post(
        http,
        "/save_weights_for_sampler",
        model_id=model,
        seq_id=1,
        sampling_session_seq_id=0,
        kind="frozen",
    )
    assert "kind: invalid enum value 'frozen'" in outcome(http, answer).json()["error"]
