"""Text that reaches a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_local.cli.chat import Conversation, _print_reply
from tinker_local.cli.terminal import printable

TITLE = "\x1b]0;pwned\x07"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 日本 😀\n\tindented", "plain äöü 日本 😀\n\tindented"),
        ("\x1b[2J", "\\x1b[2J"),
        ("over\rwritten", "over\\rwritten"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("\x00\x7f", "\\x00\\x7f"),
    ],
)
def test_control_characters_are_spelled_out(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_no_text_keeps_a_control_character(text):
    kept = {c for c in printable(text) if ord(c) < 32 or 127 <= ord(c) < 160}
    assert kept <= {"\n", "\t"}


def test_a_reply_cannot_control_the_terminal(capsys):
    class Scripted(Conversation):
        def _stream(self):
            yield TITLE
            yield "\x1b[31mred"

    _print_reply(Scripted("http://127.0.0.1:9", None, "local/tiny"), "hi")
    assert capsys.readouterr().out == "\\x1b]0;pwned\\x07\\x1b[31mred\n"


def test_an_error_that_quotes_its_input_cannot_control_the_terminal():
    command = [sys.executable, "-m", "tinker_local", "pull", f"no/such{TITLE}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pwned" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_log_line_cannot_control_the_terminal():
    program = (
        "import logging\n"
        "from tinker_local.cli.terminal import log_to_stderr\n"
        "log_to_stderr('%(levelname)s %(message)s')\n"
        "try:\n"
        "    raise ValueError('\\x1b[31m')\n"
        "except ValueError:\n"
        "    logging.getLogger('x').exception('path %s', '\\x1b[2J')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ERROR path \\x1b[2J\n" in done.stderr
    assert "ValueError: \\x1b[31m" in done.stderr
    assert "\x1b" not in done.stderr
