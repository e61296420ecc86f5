"""Several sources as one."""

import gzip
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from tinker_core import ConfigError, DataError
from tinker_data import (
    Batching,
    ConversationMixture,
    IterableStream,
    MixedStream,
    Position,
    Reading,
    SequenceRows,
    mix,
)


def test_a_mixture_has_its_weights_and_each_source_its_order():
    a, b = [f"a{i}" for i in range(3000)], [f"b{i}" for i in range(3000)]
    mixture = mix([a, b], [3.0, 1.0], seed=0, until="first_exhausted")
    rows = [mixture[i] for i in range(len(mixture))]
    counts = Counter(row[0] for row in rows)
    assert counts["a"] == 3000
    assert 0.22 < counts["b"] / len(rows) < 0.28  # four standard errors about a quarter
    assert [row for row in rows if row[0] == "a"] == a
    assert [row for row in rows if row[0] == "b"] == b[: counts["b"]]


def test_a_mixture_until_all_are_exhausted_begins_short_sources_anew():
    mixture = mix([["a0", "a1"], [f"b{i}" for i in range(50)]], [1.0, 1.0], seed=1)
    rows = [mixture[i] for i in range(len(mixture))]
    assert [row for row in rows if row[0] == "b"] == [f"b{i}" for i in range(50)]
    of_a = [row for row in rows if row[0] == "a"]
    assert of_a == ["a0", "a1"] * (len(of_a) // 2) + ["a0"] * (len(of_a) % 2)
    assert len(of_a) > 20


def test_the_seed_decides_a_mixture():
    def rows(seed):
        mixture = mix([range(100), range(100, 200)], [1, 1], seed=seed)
        return [mixture[i] for i in range(len(mixture))]

    assert rows(0) == rows(0) != rows(1)


def test_a_mixture_of_nothing_or_without_weights_is_an_error():
    with pytest.raises(DataError, match="source 1 of the mixture is empty"):
        mix([[1], []], [1, 1], seed=0)
    for weights in ([1.0], [1.0, 0.0], [1.0, float("inf")], [float("nan"), 1.0]):
        with pytest.raises(ConfigError, match="as many finite weights above 0"):
            mix([[1], [2]], weights, seed=0)


A, B, C = range(5), range(100, 123), range(200, 261)
WEIGHTS = [1.0, 4.0, 2.0]


def values(rows):
    return [row.value for row in rows]


def tokens(batch):
    return [datum.model_input.to_ints() for datum in batch.datums]


@pytest.mark.parametrize("until", ["first_exhausted", "all_exhausted"])
@pytest.mark.parametrize("seed", range(4))
def test_a_mixture_of_streams_is_that_of_the_same_rows_from_any_row_on(seed, until):
    streams = [IterableStream(A), SequenceRows(B), IterableStream(C)]  # one stream is enough
    mixture = mix(streams, WEIGHTS, seed=seed, until=until)
    in_memory = mix([A, B, C], WEIGHTS, seed=seed, until=until)
    expected = [in_memory[i] for i in range(len(in_memory))]
    assert isinstance(mixture, MixedStream)
    for start in range(len(expected) + 9):
        assert values(mixture.read(start)) == expected[start:], f"from {start} on"


def test_rows_of_a_mixture_know_where_they_come_from():
    mixture = mix([IterableStream([1, 2], "left"), IterableStream([3], "right")], [1, 1], seed=0)
    places = {(row.value, row.place.file, row.place.row) for row in mixture.read()}
    assert places == {(1, "left", 1), (2, "left", 2), (3, "right", 1)}


def test_a_mixture_with_an_empty_stream_is_an_error():
    with pytest.raises(DataError, match="source 1 of the mixture is empty"):
        list(mix([IterableStream([1]), IterableStream([])], [1, 1], seed=0).read())


@pytest.mark.parametrize("compressed", [False, True], ids=["rows", "streams"])
def test_files_are_mixed_by_a_config_and_taken_up_anywhere(
    renderer, write_rows, chats, tmp_path, compressed
):
    few, many = write_rows(chats(6), "few.jsonl"), write_rows(chats(60), "many.jsonl")
    if compressed:
        packed = tmp_path / "many.jsonl.gz"
        packed.write_bytes(gzip.compress(many.read_bytes()))
        many = packed
    config = ConversationMixture(
        files={few: 1.0, many: 1.0},
        test_rows=4,
        batching=Batching(batch_size=8),
        reading=Reading(shuffle_block=16),
    )
    data = config.build(renderer=renderer, seed=0)
    assert len(data.test) == 4
    batches = list(islice(data.train.batches(), 18))
    again = list(islice(data.train.batches(batches[4].after), 13))
    assert list(map(tokens, again)) == list(map(tokens, batches[5:]))
    assert any(batch.position == Position(epoch=1) for batch in batches) or not compressed


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_that_is_not_above_zero_is_refused_with_its_file(weight):
    with pytest.raises(ValueError, match=r"files: the weight of b\.jsonl"):
        ConversationMixture(files={Path("a.jsonl"): 1.0, Path("b.jsonl"): weight})
