"""A tree of text for people."""

import asyncio
import json

import pytest

from tinker_train import logtree


def read(path):
    return json.loads(path.with_name(path.name + ".json").read_text())


def test_sections_texts_and_tables_stand_where_they_were_logged(tmp_path):
    with logtree.tree("step 1", tmp_path / "logtree" / "step-1"):
        logtree.text("before")
        with logtree.section("problem"):
            logtree.text("inside", title="answer")
            logtree.table([{"reward": 1.0}, {"reward": 0.0, "tokens": 3}])
        logtree.text("after")
    root = read(tmp_path / "logtree" / "step-1")
    assert [child.get("content", child["title"]) for child in root["children"]] == [
        "before",
        "problem",
        "after",
    ]
    inside = root["children"][1]["children"]
    assert (inside[0]["title"], inside[0]["content"]) == ("answer", "inside")
    page = (tmp_path / "logtree" / "step-1.html").read_text()
    assert "<th>reward</th><th>tokens</th>" in page
    assert page.index("before") < page.index("inside") < page.index("after")


def test_nothing_that_is_logged_can_be_markup(tmp_path):
    evil = "<script>alert('x')</script>"
    with logtree.tree(evil, tmp_path / "step"), logtree.section(evil):
        logtree.text(evil, title=evil)
        logtree.table([{evil: evil}])
    page = (tmp_path / "step.html").read_text()
    assert "<script" not in page
    assert page.count("alert(") == 7  # twice in the head, and each of the five others


def test_tasks_write_where_they_were_started(tmp_path):
    async def attempt(name, turn):
        with logtree.section(name):
            for i in range(3):
                await turn()
                logtree.text(f"{name} {i}")

    async def main():
        async with asyncio.TaskGroup() as tasks:
            for name in ("a", "b"):
                tasks.create_task(attempt(name, lambda: asyncio.sleep(0)))

    with logtree.tree("step", tmp_path / "step"):
        asyncio.run(main())
    sections = read(tmp_path / "step")["children"]
    for part, name in zip(sections, "ab", strict=True):
        assert [child["content"] for child in part["children"]] == [f"{name} {i}" for i in range(3)]


def test_the_tree_is_written_when_the_block_fails(tmp_path):
    def fail():
        with logtree.tree("step", tmp_path / "step"):
            logtree.text("so far")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert read(tmp_path / "step")["children"][0]["content"] == "so far"


def test_outside_a_tree_and_in_silence_nothing_is_logged(tmp_path):
    logtree.text("nowhere")
    with logtree.section("nowhere"):
        logtree.text("nowhere")
    with logtree.tree("step", tmp_path / "step"), logtree.silence():
        logtree.text("nowhere")
    assert "children" not in read(tmp_path / "step")
