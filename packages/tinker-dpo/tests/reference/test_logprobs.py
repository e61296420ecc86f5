"""The stored log-probabilities of the reference."""

import asyncio
from itertools import chain

import pytest

from tinker_core import EngineError, RunDirectoryError, next_token_datum
from tinker_dpo import RenderedResponse
from tinker_dpo.reference.logprobs import FILE_NAME, ReferenceFile, compute_references, missing
from tinker_train import StopRequest
from tinker_train.testing import WatchedService


def response(*tokens: int) -> RenderedResponse:
    return RenderedResponse(next_token_datum(tokens, weights=[0] + [1] * (len(tokens) - 1)))


@pytest.fixture
def file(tmp_path) -> ReferenceFile:
    return ReferenceFile(tmp_path / FILE_NAME)


@pytest.fixture
def model(tmp_path):
    return WatchedService(tmp_path / "engine").create_lora_training_client("double").result()


def test_a_line_that_a_kill_tore_is_dropped(file):
    file.add({"a": -1.5})
    with file.path.open("a") as torn:
        torn.write('{"b": -2')
    assert file.read() == {"a": -1.5}
    file.add({"c": -3.25})
    assert file.read() == {"a": -1.5, "c": -3.25}


def test_a_damaged_line_is_an_error_with_its_place(file):
    file.add({"a": -1.5})
    file.add({"b": "low"})
    with pytest.raises(RunDirectoryError, match=r"reference.jsonl:2: not log-probabilities"):
        file.read()


def test_each_response_is_missing_once_however_often_it_appears():
    a, b, c = response(1, 2), response(1, 3), response(1, 4)
    again = response(1, 2)  # another object with the same tokens
    batches = [[a, b], [again], [b, c, c]]
    found = [[r.key for r in batch] for batch in missing(iter(batches), {})]
    assert found == [[a.key, b.key], [c.key]]


def test_known_responses_are_not_missing_and_empty_batches_are_dropped():
    a, b = response(1, 2), response(1, 3)
    found = list(missing(iter([[a], [a, b]]), {a.key: -1.0}))
    assert [[r.key for r in batch] for batch in found] == [[b.key]]


def test_what_is_computed_is_stored(model, file):
    batches = [[response(1, 2)], [response(1, 3), response(1, 2, 3)]]
    values = asyncio.run(compute_references(model, iter(batches), file, StopRequest()))
    assert {key for batch in batches for key in (r.key for r in batch)} == values.keys()
    assert file.read() == values
    assert model.calls == ["forward", "forward"]


def test_a_stop_request_ends_it_early(model, file):
    stop = StopRequest()

    def batches():
        yield [response(1, 2)]
        yield [response(1, 3)]
        stop.reason = "SIGINT"
        yield [response(1, 4)]

    asyncio.run(compute_references(model, batches(), file, stop))
    assert 1 <= len(file.read()) < 3


def test_a_value_that_is_not_finite_is_an_error_and_not_stored(model, file):
    model.model.logits[1, 2] = float("-inf")
    with pytest.raises(EngineError, match="not finite"):
        asyncio.run(compute_references(model, chain([[response(1, 2)]]), file, StopRequest()))
    assert file.read() == {}
