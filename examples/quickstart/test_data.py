"""The data: what the README promises of it."""

from __future__ import annotations

import json
import re
import runpy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).with_name("data")
GENERATOR = Path(__file__).parents[2] / "scripts" / "make_quickstart_data.py"


def read(name: str) -> list[list[dict[str, str]]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


def record_of(messages: list[dict[str, str]]) -> dict[str, Any]:
    return json.loads(messages[-1]["content"])


def test_the_generator_writes_exactly_these_files(tmp_path: Path) -> None:
    runpy.run_path(str(GENERATOR))["main"](tmp_path)
    for name in ("train.jsonl", "test.jsonl"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl"])
def test_every_record_says_what_its_message_says(name: str) -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for messages in read(name):
        assert [message["role"] for message in messages] == ["system", "user", "assistant"]
        text, record = messages[1]["content"], record_of(messages)
        assert list(record) == ["name", "item", "quantity", "time"]
        assert record["name"] in text
        assert record["item"].lower() in text.lower()

        said = re.search(rf"(\w+) {record['item']}", text, re.IGNORECASE)
        assert said is not None
        count = said[1].lower()
        assert record["quantity"] == (
            1 if count in ("a", "an") else words.index(count) + 1 if count in words else int(count)
        )
        assert record["time"] == time_of(text)


def time_of(text: str) -> str:
    """The time of day in a message, read by the standard library."""
    if "noon" in text:
        return "12:00"
    clock = re.search(r"\d+(:\d\d)? [ap]m|\d+:\d\d", text)
    assert clock is not None
    forms = {(True, True): "%I:%M %p", (False, True): "%I %p", (True, False): "%H:%M"}
    form = forms[":" in clock[0], clock[0].endswith("m")]
    return datetime.strptime(clock[0], form).strftime("%H:%M")


def test_no_name_article_or_message_of_the_test_file_is_in_the_training_file() -> None:
    train, test = read("train.jsonl"), read("test.jsonl")
    for field in ("name", "item"):
        assert not {record_of(row)[field] for row in train} & {
            record_of(row)[field] for row in test
        }
    assert not {phrasing_of(row) for row in train} & {phrasing_of(row) for row in test}


def phrasing_of(messages: list[dict[str, str]]) -> str:
    """The message without its name, numbers and article."""
    record = record_of(messages)
    text = messages[1]["content"].replace(record["name"], "NAME")
    text = re.sub(rf"(\w+) {record['item']}(es|s)?", "ORDER", text, flags=re.IGNORECASE)
    return re.sub(r"\d+(:\d\d)?( [ap]m)?|noon", "TIME", text)


def test_no_row_is_twice_in_the_test_file() -> None:
    messages = [row[1]["content"] for row in read("test.jsonl")]
    assert len(set(messages)) == len(messages)
