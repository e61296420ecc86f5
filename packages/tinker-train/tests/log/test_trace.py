"""Spans across tasks."""

import asyncio
import json

import pytest

from tinker_train import scope, timed, tracing, write_perfetto
from tinker_train.files import read_rows


def test_spans_of_tasks_that_overlap_stand_in_rows_of_their_own(tmp_path):
    async def work(name):
        with scope(name, number=1):
            await asyncio.sleep(0)

    async def main():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(work("a"), name="first")
            tasks.create_task(work("b"), name="second")

    with tracing(tmp_path / "trace.jsonl"):
        asyncio.run(main())
    write_perfetto(tmp_path / "trace.jsonl", tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert {(span["name"], names[span["tid"]]) for span in spans} == {
        ("a", "first"),
        ("b", "second"),
    }
    assert all(span["args"] == {"number": 1} and span["dur"] >= 0 for span in spans)


def test_a_span_inside_another_lies_within_it(tmp_path):
    with tracing(tmp_path / "trace.jsonl") as tracer, scope("outer"), scope("inner"):
        pass
    inner, outer = read_rows(tmp_path / "trace.jsonl")
    assert (inner["name"], outer["name"]) == ("inner", "outer")
    assert outer["start"] <= inner["start"]
    assert inner["seconds"] <= outer["seconds"]
    seconds = tracer.take_seconds()
    assert seconds["outer"] == pytest.approx(outer["seconds"])
    assert tracer.take_seconds() == {}


def test_a_span_that_fails_is_written_too(tmp_path):
    with pytest.raises(KeyError), tracing(tmp_path / "trace.jsonl"), scope("fails"):
        raise KeyError
    assert read_rows(tmp_path / "trace.jsonl")[0]["name"] == "fails"


def test_outside_a_trace_a_span_does_nothing(tmp_path):
    with scope("nowhere"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_spans_are_written_while_the_run_goes_on(tmp_path):
    with tracing(tmp_path / "trace.jsonl"):
        for _ in range(300):
            with scope("many"):
                pass
        assert len(read_rows(tmp_path / "trace.jsonl")) == 256
    assert len(read_rows(tmp_path / "trace.jsonl")) == 300


def test_time_adds_up_and_is_kept_when_the_block_fails():
    metrics = {"time/data": 5.0}
    with timed("data", metrics):
        pass
    assert 5.0 <= metrics["time/data"] < 6.0
    with pytest.raises(KeyError), timed("step", metrics):
        raise KeyError
    assert "time/step" in metrics
