"""A file of conversations, opened as its config says."""

import gzip
import json
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve
from pyarrow import parquet

from tinker_core import DataError
from tinker_data import Batching, ConversationFile, Position, Reading, no_robots, tulu3


def text(renderer, datum):
    return renderer.tokenizer.decode(datum.model_input.to_ints())


def train_texts(data, renderer, n):
    batches = islice(data.train.batches(Position()), n)
    return [text(renderer, datum) for batch in batches for datum in batch.datums]


def test_a_file_becomes_batches_of_its_conversations(renderer, write_rows, chats):
    builder = ConversationFile(path=write_rows(chats(6)), batching=Batching(batch_size=2))
    data = builder.build(renderer=renderer, seed=0)
    assert data.test == ()
    assert data.train.steps_per_epoch == 3
    texts = train_texts(data, renderer, 3)
    assert len(texts) == 6
    assert all(any(f"q{i}" in text for text in texts) for i in range(6))


def test_a_second_file_is_what_is_measured_on(renderer, write_rows, chats):
    builder = ConversationFile(
        path=write_rows(chats(2)),
        test_path=write_rows(chats(3), "test.jsonl"),
        batching=Batching(batch_size=2),
    )
    assert len(builder.build(renderer=renderer, seed=0).test) == 3


def test_rows_that_are_held_out_are_never_trained_on(renderer, write_rows, chats):
    builder = ConversationFile(
        path=write_rows(chats(9)), test_rows=3, batching=Batching(batch_size=3)
    )
    data = builder.build(renderer=renderer, seed=5)
    held_out = {text(renderer, datum) for datum in data.test}
    trained = set(train_texts(data, renderer, 2))
    assert len(held_out) == 3
    assert len(trained) == 6
    assert not held_out & trained
    again = builder.build(renderer=renderer, seed=5)
    assert {text(renderer, datum) for datum in again.test} == held_out


def test_holding_out_every_row_is_an_error(renderer, write_rows, chats):
    builder = ConversationFile(path=write_rows(chats(3)), test_rows=3)
    with pytest.raises(DataError, match=r"rows.jsonl: 3 test rows cannot be taken out of 3"):
        builder.build(renderer=renderer, seed=0)


def test_a_bad_row_is_found_before_anything_begins(renderer, write_rows, chats):
    path = write_rows([*chats(40), {"messages": [{"role": "user", "content": "hi"}]}])
    with pytest.raises(DataError, match=r"rows.jsonl:41: messages: no assistant message"):
        ConversationFile(path=path, batching=Batching(batch_size=2)).build(
            renderer=renderer, seed=0
        )


def test_bad_rows_are_skipped_and_counted_where_the_policy_says_so(
    renderer, write_rows, chats, caplog
):
    path = write_rows([*chats(3), "{", *chats(4)])
    builder = ConversationFile(
        path=path,
        batching=Batching(batch_size=4, shuffle=False),
        reading=Reading(bad_row="skip"),
    )
    data = builder.build(renderer=renderer, seed=0)
    assert "rows.jsonl: 1 rows will be skipped; the first: " in caplog.text
    first, second = islice(data.train.batches(Position()), 2)
    assert (len(first.datums), first.counts) == (3, {"num_skipped_rows": 1})
    assert (len(second.datums), second.counts) == (4, {})


def test_of_a_stream_the_first_rows_are_held_out(renderer, tmp_path, chats):
    path = tmp_path / "chats.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in chats(9)).encode()))
    builder = ConversationFile(path=path, test_rows=3, batching=Batching(batch_size=3))
    data = builder.build(renderer=renderer, seed=0)
    assert data.train.steps_per_epoch is None
    assert [f"q{i}" in text(renderer, datum) for i, datum in enumerate(data.test)] == [True] * 3
    assert not any(f"q{i}" in t for t in train_texts(data, renderer, 2) for i in range(3))


@pytest.mark.parametrize("compressed", [False, True], ids=["rows", "a stream"])
def test_worker_processes_give_the_same_batches_in_the_same_order_and_the_same_errors(
    renderer, write_rows, chats, compressed
):
    path = write_rows([*chats(10), "{"])
    if compressed:
        path = path.rename(path.with_suffix(".jsonl.gz"))
        path.write_bytes(gzip.compress(path.read_bytes()))

    def batches(workers):
        builder = ConversationFile(
            path=path,
            batching=Batching(batch_size=2, shuffle=False),
            reading=Reading(workers=workers, check=False),
        )
        return builder.build(renderer=renderer, seed=3).train.batches(Position(batch=1))

    here, there = batches(0), batches(2)
    for a, b in zip(islice(here, 4), islice(there, 4), strict=True):
        assert (a.position, a.after, a.counts) == (b.position, b.after, b.counts)
        for one, other in zip(a.datums, b.datums, strict=True):
            assert one.model_input == other.model_input
            for name, values in one.loss_fn_inputs.items():
                assert np.array_equal(values.to_numpy(), other.loss_fn_inputs[name].to_numpy())
    for batch in (here, there):
        with pytest.raises(DataError, match=r"rows\.jsonl.*:11: not JSON"):
            next(batch)


CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
"""


@pytest.fixture
def write_repository(tmp_path, chats, monkeypatch):
    """A folder laid out as a dataset's repository on the hub is, by its card and its columns."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def write(other_columns, splits):
        (tmp_path / "repository" / "data").mkdir(parents=True)
        (tmp_path / "repository" / "README.md").write_text(CARD)
        for split, number in splits.items():
            rows = [{**chat, **dict.fromkeys(other_columns, "x")} for chat in chats(number)]
            file = tmp_path / "repository" / "data" / f"{split}-00000-of-00001.parquet"
            parquet.write_table(pa.Table.from_pylist(rows), file)
        return str(tmp_path / "repository")

    return write


def test_no_robots_is_read_by_its_columns_and_splits(renderer, write_repository):
    # huggingface.co/datasets/HuggingFaceH4/no_robots: prompt, prompt_id, messages, category
    columns = ["prompt", "prompt_id", "category"]
    name = write_repository(columns, {"train": 20, "test": 5})
    data = evolve(no_robots(Batching(batch_size=8)), name=name).build(renderer=renderer, seed=0)
    assert data.train.steps_per_epoch == 3
    assert len(data.test) == 5
    assert len(train_texts(data, renderer, 3)) == 20


def test_tulu3_is_read_by_its_columns_and_held_out_at_random(renderer, write_repository):
    # huggingface.co/datasets/allenai/tulu-3-sft-mixture: id, messages, source; one split
    name = write_repository(["id", "source"], {"train": 1100})
    Path(name, "README.md").write_text(CARD.replace("  - split: test\n    path: data/test-*\n", ""))
    data = evolve(tulu3(Batching(batch_size=38)), name=name).build(renderer=renderer, seed=0)
    assert len(data.test) == 1024
    held_out = [text(renderer, datum) for datum in data.test]
    assert not all(f"q{i}" in shown for i, shown in enumerate(held_out))
    assert not set(held_out) & set(train_texts(data, renderer, 2))
