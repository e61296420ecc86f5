"""The check of a whole file before a run starts."""

import gzip
import json
import logging
from functools import partial

import pytest

from tinker_core import DataError
from tinker_data import (
    Batching,
    ConversationFile,
    Place,
    RawRow,
    Reading,
    RenderedRow,
    Rendering,
    as_source,
    check,
    check_rows,
    open_jsonl,
    render_raw,
)
from tinker_data.sources.open import read_all
from tinker_render import get_renderer
from tinker_render.testing import byte_tokenizer

TOOL = {"name": "f", "description": "", "parameters": {}}
REASONED = {
    "messages": [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4", "reasoning_content": "hm"},
    ]
}
UNUSABLE = [
    ('{"messages": "\\ud83d"}', "unpaired surrogate"),
    (f'{{"messages": {"9" * 5000}}}', "not JSON"),
    (f'{{"messages": {"[" * 200_000}1{"]" * 200_000}}}', "nested too deeply"),
    ("{", "not JSON"),
    ('{"messages": 1, "messages": 2}', "stands twice"),
    ('{"messages": NaN}', "not JSON"),
    (f'{{"messages": {"[" * 900}1{"]" * 900}}}', "messages"),
    (json.dumps({**REASONED, "oops": 1}), "unknown key 'oops'"),
    (json.dumps(REASONED), "no form for reasoning"),
    (json.dumps({"messages": REASONED["messages"][:1]}), "no assistant message"),
    (
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "tool_calls": [{"name": "f"}]},
                ]
            }
        ),
        "no form for tool calls",
    ),
    (
        json.dumps({"prompt": "a", "completion": "b", "tools": [TOOL]}),
        "no form for tools",
    ),
    (
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b", "weight": 0},
                ]
            }
        ),
        "no message to train on",
    ),
]


@pytest.mark.parametrize(("line", "problem"), UNUSABLE)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.json"])
def test_every_unusable_row_is_an_error_before_a_run_starts(
    renderer, write_rows, chats, line, problem, name
):
    if name == "rows.json" and line == "{":
        return  # the array does not end
    rows = write_rows([*chats(40), line, *chats(2)]).read_bytes()
    written = {".gz": gzip.compress(rows), ".json": b"[%s]" % b",".join(rows.splitlines())}
    path = write_rows([], name)
    path.write_bytes(written.get(path.suffix, rows))
    builder = ConversationFile(path=path, batching=Batching(batch_size=2))
    with pytest.raises(DataError, match=rf"{name}:41: .*{problem}") as caught:
        builder.build(renderer=renderer, seed=0)
    assert caught.value.row == 41


def test_every_unusable_row_is_skipped_and_counted_by_policy(renderer, write_rows, chats, caplog):
    path = write_rows([*chats(8), *[line for line, _ in UNUSABLE]])
    builder = ConversationFile(
        path=path,
        batching=Batching(batch_size=21, shuffle=False),
        reading=Reading(bad_row="skip"),
    )
    data = builder.build(renderer=renderer, seed=0)
    [report] = data.reports
    assert (report.num_rows, report.num_unusable) == (21, 13)
    batch = next(data.train.batches())
    assert (len(batch.datums), batch.counts) == (8, {"num_skipped_rows": 13})
    assert "13 rows will be skipped; the first:" in caplog.text
    assert report.reasons["not JSON"] == 4
    assert any("no form for reasoning" in reason for reason in report.reasons)


def test_a_batch_of_skipped_rows_ends_no_run(renderer, write_rows, chats):
    path = write_rows([*chats(1), "{", json.dumps(REASONED), *chats(1)])
    builder = ConversationFile(
        path=path,
        batching=Batching(batch_size=1, shuffle=False),
        reading=Reading(bad_row="skip"),
    )
    batches = builder.build(renderer=renderer, seed=0).train.batches()
    assert [next(batches).counts for _ in range(3)] == [{}, {"num_skipped_rows": 2}, {}]


def test_the_error_says_how_many_rows_and_why(renderer, write_rows, chats):
    path = write_rows([*chats(3), "{", json.dumps(REASONED), json.dumps(REASONED)])
    with pytest.raises(DataError) as caught:
        ConversationFile(path=path, batching=Batching(batch_size=2)).build(
            renderer=renderer, seed=0
        )
    message = str(caught.value)
    assert "rows.jsonl:4: not JSON" in message
    assert "3 of 6 rows cannot be used" in message
    assert "2 x messages[] (assistant): chatml has no form for reasoning" in message
    assert "bad_row='skip'" in message


def test_an_error_about_reasoning_says_what_to_do(renderer, write_rows):
    with pytest.raises(DataError) as caught:
        ConversationFile(path=write_rows([REASONED] * 2), batching=Batching(batch_size=2)).build(
            renderer=renderer, seed=0
        )
    message = str(caught.value)
    for advice in ("qwen3", "strip_reasoning", "reasoning='strip'", "bad_row='skip'"):
        assert advice in message


def test_the_held_out_file_is_checked_too(renderer, write_rows, chats):
    path, test_path = write_rows(chats(2)), write_rows([*chats(1), "{"], "test.jsonl")
    builder = ConversationFile(path=path, test_path=test_path, batching=Batching(batch_size=2))
    with pytest.raises(DataError, match=r"test.jsonl:2: not JSON"):
        builder.build(renderer=renderer, seed=0)


def test_reasoning_is_stripped_and_counted_on_request(renderer, write_rows):
    builder = ConversationFile(
        path=write_rows([REASONED] * 2),
        batching=Batching(batch_size=2),
        rendering=Rendering(reasoning="strip"),
    )
    data = builder.build(renderer=renderer, seed=0)
    assert data.reports[0].num_reasoning_stripped == 2
    batch = next(data.train.batches())
    assert batch.counts == {"num_reasoning_stripped": 2}
    text = renderer.tokenizer.decode(batch.datums[0].model_input.to_ints())
    assert "hm" not in text
    assert "4" in text


def test_an_answer_that_is_nothing_but_reasoning_is_not_stripped_to_nothing(renderer, write_rows):
    row = {"messages": [REASONED["messages"][0], {"role": "assistant", "reasoning": "hm"}]}
    builder = ConversationFile(path=write_rows([row]), rendering=Rendering(reasoning="strip"))
    with pytest.raises(DataError, match=r"rows.jsonl:1: messages\[1\]: nothing is left"):
        builder.build(renderer=renderer, seed=0)


def long_rows(write_rows, lengths):
    return write_rows([{"prompt": "q", "completion": "x" * n} for n in lengths])


@pytest.mark.parametrize(
    ("rendering", "counts"),
    [
        ({}, (1, 0)),
        ({"too_long": "drop"}, (0, 1)),
        ({"max_length": 60, "too_long": "drop"}, (0, 2)),
        ({"max_length": 10_000}, (0, 0)),
    ],
)
def test_the_context_of_the_model_is_the_default_limit(renderer, write_rows, rendering, counts):
    known = renderer.with_context_length(200)
    builder = ConversationFile(
        path=long_rows(write_rows, [10, 100, 1000]),
        batching=Batching(batch_size=3),
        rendering=Rendering(**rendering),
    )
    data = builder.build(renderer=known, seed=0)
    [report] = data.reports
    assert (report.num_truncated, report.num_dropped) == counts
    assert report.longest_at.row == 3
    assert report.longest > 1000
    assert report.num_too_long == sum(counts)
    datums = next(data.train.batches()).datums
    assert max(datum.model_input.length for datum in datums) < (rendering.get("max_length") or 200)


def test_a_row_over_the_context_can_be_an_error(renderer, write_rows):
    builder = ConversationFile(
        path=long_rows(write_rows, [10, 1000]),
        batching=Batching(batch_size=2),
        rendering=Rendering(too_long="error"),
    )
    with pytest.raises(DataError, match=r"rows.jsonl:2: 10\d\d tokens, over the context of"):
        builder.build(renderer=renderer.with_context_length(200), seed=0)


def test_a_check_that_takes_long_goes_on_in_processes_and_finds_the_same(
    write_rows, chats, monkeypatch, caplog
):
    renderer = get_renderer("chatml_plain", byte_tokenizer())
    render = partial(render_raw, renderer=renderer, rendering=Rendering(), reading=Reading())
    rows = open_jsonl(write_rows([*chats(500), "{", *chats(700), json.dumps(REASONED)]))
    alone = check_rows(read_all(rows), render, name="x", limit=50)
    monkeypatch.setattr(check, "_ALONE_SECONDS", 0.0)
    monkeypatch.setattr(check, "_PROGRESS_SECONDS", 0.0)
    with caplog.at_level(logging.INFO):
        together = check_rows(read_all(rows), render, name="x", limit=50)
    assert [str(problem) for problem in together.problems] == [str(p) for p in alone.problems]
    fields = ("num_rows", "reasons", "longest", "longest_at", "num_too_long", "num_truncated")
    for name in fields:
        assert getattr(together, name) == getattr(alone, name), name
    assert together.num_rows == 1202
    assert "x: 1202 rows checked" in caplog.text


def test_a_function_that_no_other_process_can_load_is_called_here(monkeypatch):
    monkeypatch.setattr(check, "_ALONE_SECONDS", 0.0)
    rows = [RawRow(content=n, place=Place(row=n)) for n in range(900)]
    report = check_rows(rows, lambda row: RenderedRow(length=row.content), name="x", limit=None)
    assert (report.num_rows, report.longest) == (900, 899)


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("not JSON: Expecting value: line 1 column 2 (char 1): {", "messages[]: not JSON"),
        ("500 tokens, over max_length=20; drop them", "messages[]: N tokens, over max_length=N"),
        ("unknown key 'x'; known: [...]", "messages[]: unknown key 'x'"),
        ("unpaired surrogate 'x': {...", "messages[]: unpaired surrogate 'x'"),
        ("unpaired surrogate in 'ax'", "messages[]: unpaired surrogate"),
        ("must be a string, not 3", "messages[]: must be a string"),
    ],
)
def test_errors_of_one_kind_have_one_reason(problem, reason):
    error = DataError(problem, file="a", row=3, field="messages[12]")
    assert check.reason_of(error) == reason


def test_rows_in_memory_that_no_json_has_are_errors_with_their_number(renderer):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    answer = {"role": "assistant", "content": "a"}
    strange = [
        {"messages": deep},
        {"messages": [{"role": "user", "content": deep}, answer]},
        {"messages": [answer], 5: 1},
        {5: 1, "a": 2},
        {"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": {1, 2}}]}]},
        {"messages": [answer], "tools": [{"type": "function", "function": "f"}]},
    ]
    render = partial(render_raw, renderer=renderer, rendering=Rendering(), reading=Reading())
    report = check_rows(read_all(as_source(strange, "mine")), render, name="x", limit=None)
    assert report.num_unusable == len(strange)
    assert [str(problem).split(": ")[0] for problem in report.problems] == [
        f"mine:{n}" for n in range(1, 6)
    ]
