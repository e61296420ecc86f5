"""The command line on a file of conversations."""

import json

import pytest

from tinker_render.cli import main

ROWS = [
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<Hello>"}]},
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
]


@pytest.fixture
def model(tmp_path, chatml_tokenizer):
    chatml_tokenizer.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def run(*arguments):
    """The exit status."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return ended.code
    return 0


def test_show_prints_what_is_trained_on_in_green(model, data, capsys):
    assert run("show", "--model", model, "--data", data, "--limit", 1) == 0
    shown = capsys.readouterr().out
    assert "\033[32m<Hello>\033[0m" in shown
    assert "\033[2m\033[1m<|im_start|>\033[0m" in shown


def test_show_writes_a_page_that_is_escaped(model, data, tmp_path):
    page = tmp_path / "page.html"
    assert run("show", "--model", model, "--data", data, "--html", page) == 0
    assert '<span class="trained">&lt;Hello&gt;</span>' in page.read_text()
    assert "<Hello>" not in page.read_text()


def test_check_says_yes_where_the_template_agrees(model, data, capsys):
    assert run("check", "--model", model, "--data", data, "--renderer", "chatml_plain") == 0
    assert "fits" in capsys.readouterr().out


def test_check_shows_the_first_difference(model, data, capsys):
    assert run("check", "--model", model, "--data", data, "--renderer", "chatml") == 1
    assert "chats.jsonl:1: after" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{oops", "chats.jsonl:1: not JSON"),
        ('{"text": "x"}', "chats.jsonl:1: not an object with messages"),
        ('{"messages": [{"role": "user"}]}', "no message to train on"),
        ('{"messages": [{"role": "robot"}]}', "chats.jsonl:1: messages[0].role: unknown role"),
    ],
)
def test_a_bad_row_is_named(model, data, line, problem, capsys):
    data.write_text(line)
    assert run("show", "--model", model, "--data", data) == 2
    assert problem in capsys.readouterr().err


def test_keys_that_are_not_read_are_named_once(model, data, capsys):
    data.write_text("".join(json.dumps({**row, "id": 1}) + "\n" for row in ROWS))
    assert run("check", "--model", model, "--data", data, "--renderer", "chatml_plain") == 0
    assert capsys.readouterr().err.count("keys that are not read: id") == 1
