"""Suggestions for misspelt names."""

from tinker_core.suggestion import did_you_mean, known_names


def test_similar_names_are_suggested_the_most_similar_first():
    known = ["llama3", "qwen3_5", "qwen3"]
    assert did_you_mean("qwen33", known) == "did you mean qwen3 or qwen3_5?"


def test_without_a_similar_name_nothing_is_suggested_or_all_names_are():
    assert did_you_mean("x", ["llama3", "qwen3"]) == ""
    assert known_names("x", ["llama3", "qwen3"]) == "known: llama3, qwen3"
    assert known_names("lama3", ["llama3", "qwen3"]) == "did you mean llama3?"
