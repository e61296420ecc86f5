"""The excerpt of a script: what a value depends on, and nothing else."""

from __future__ import annotations

from tinker_conformance.client.script import Script


def script():
    made = Script("# header")
    made.add("a = model('a')", makes="a")
    made.add("b = model('b')", makes="b")
    made.add("step_1 = a.step()", makes="step_1", needs={"a"}, changes="a")
    made.add("look = a.forward()", makes="look", needs={"a"})
    made.add("path = a.save()", makes="path", needs={"a"}, changes="a")
    made.add("step_2 = a.step()", makes="step_2", needs={"a"}, changes="a")
    made.add("c = load(path)", makes="c", needs={"path"})
    made.add("result = c.forward()", makes="result", needs={"c"})
    return made


def test_an_excerpt_holds_what_changed_the_object_before():
    assert script().excerpt({"look"}).splitlines() == [
        "# header",
        "a = model('a')",
        "step_1 = a.step()",
        "look = a.forward()",
    ]


def test_an_excerpt_follows_a_checkpoint_and_leaves_out_what_came_after_it():
    assert script().excerpt({"result"}).splitlines() == [
        "# header",
        "a = model('a')",
        "step_1 = a.step()",
        "path = a.save()",
        "c = load(path)",
        "result = c.forward()",
    ]


def test_variables_are_numbered():
    made = Script("")
    assert [made.variable("model") for _ in range(3)] == ["model", "model_2", "model_3"]


def test_the_last_call_is_the_one_without_a_value():
    assert script().last() == {"result"}
    assert Script("").last() == frozenset()
