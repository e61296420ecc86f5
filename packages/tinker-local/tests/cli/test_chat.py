"""`tinker-local chat`, on a running engine and on one that it starts."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys

import pytest

from tinker_local.cli.chat import Conversation
from tinker_local.errors import RequestError

TINY = "local/tiny"
COMMAND = [sys.executable, "-m", "tinker_local", "chat"]


@pytest.fixture
def make(engine):
    def conversation(model=TINY, **fields):
        return Conversation(engine.base_url, engine.api_key, model, **fields)

    return conversation


def run(engine, typed, *arguments, model=TINY):
    return subprocess.run(
        [*COMMAND, model, "--url", engine.base_url, "--temperature", "0", *arguments],
        input=typed,
        capture_output=True,
        text=True,
        env={**os.environ, "TINKER_LOCAL_KEY": engine.api_key},
    )


def hear_ctrl_c() -> None:
    """A test run in the background ignores SIGINT, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_each_request_holds_the_conversation_so_far(make):
    talk = make(system="Be brief.", fields={"temperature": 0, "max_tokens": 8})
    first = "".join(talk.ask("What is 3+4?"))
    "".join(talk.ask("What is 1+1?"))
    assert [message["role"] for message in talk.messages] == [
        "system",
        *["user", "assistant"] * 2,
    ]
    assert talk.messages[2]["content"] == first
    talk.clear()
    assert talk.messages == [{"role": "system", "content": "Be brief."}]


def test_the_part_of_a_reply_that_was_read_stays_in_the_conversation(make):
    talk = make(fields={"temperature": 2.0, "seed": 3, "max_tokens": 400})
    answer = talk.ask("What is 3+4?")
    said = next(answer) + next(answer)
    answer.close()
    assert talk.messages[-1] == {"role": "assistant", "content": said}


def test_a_message_without_a_reply_is_dropped(make):
    talk = make(fields={"max_tokens": 5000})
    with pytest.raises(RequestError, match="1024"):
        "".join(talk.ask("What is 3+4?"))
    assert talk.messages == []


def test_stdout_holds_the_replies_alone(engine):
    done = run(engine, "What is 3+4?\n/clear\n/what\n\n/exit\nWhat is 1+1?\n", "--max-tokens", "8")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.strip().isdigit()
    assert "unknown command /what" in done.stderr


def test_a_failed_reply_is_one_line_and_the_conversation_continues(engine):
    done = run(engine, "x" * 3000 + "\nWhat is 3+4?\n")
    assert done.returncode == 0
    assert "1024" in done.stderr
    assert done.stdout.strip().isdigit()


@pytest.mark.parametrize("model", ["no-such/model", "tinker://session-x:train:0/weights/no"])
def test_a_model_that_is_not_there_is_one_clear_line(engine, model):
    done = run(engine, "hello\n", model=model)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert model in line


def test_without_a_url_it_starts_an_engine_and_stops_it(tmp_path):
    done = subprocess.run(
        [*COMMAND, TINY, "--temperature", "0"],
        input="What is 3+4?\n",
        capture_output=True,
        text=True,
        env={**os.environ, "TINKER_LOCAL_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().isdigit()
    (log,) = (tmp_path / "logs").iterdir()
    assert "parent process is gone" in log.read_text()


def test_ctrl_c_clears_the_line_and_ctrl_d_ends_the_conversation(engine):
    terminal, end = pty.openpty()
    child = subprocess.Popen(
        [*COMMAND, TINY, "--url", engine.base_url],
        stdin=end,
        stdout=end,
        stderr=end,
        env={**os.environ, "TINKER_LOCAL_KEY": engine.api_key},
        preexec_fn=hear_ctrl_c,
    )
    os.close(end)
    seen = b""
    poll = select.poll()  # select refuses descriptors from 1024 on
    poll.register(terminal, select.POLLIN)

    def arrives(part, seconds):
        nonlocal seen
        while part not in seen:
            if not poll.poll(1000 * seconds):
                return False
            seen += os.read(terminal, 4096)
        seen = seen.split(part, 1)[1]
        return True

    def ctrl_c_brings_a_fresh_line():
        child.send_signal(signal.SIGINT)
        return arrives(b"> ", 5)

    try:
        assert arrives(b"> ", 60)
        # pressed again where it was lost: readline may miss one that comes before it listens
        assert any(ctrl_c_brings_a_fresh_line() for _ in range(6))
        os.write(terminal, b"\x04")
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()
        os.close(terminal)


def test_ctrl_c_during_a_reply_cuts_off_that_reply_alone(capsys):
    from tinker_local.cli import chat

    class Interrupted(Conversation):
        def _stream(self):
            yield "12"
            raise KeyboardInterrupt

    talk = Interrupted("http://127.0.0.1:9", None, TINY)
    chat._print_reply(talk, "hi")
    said = capsys.readouterr()
    assert said.out == "12"
    assert "cut off" in said.err
    assert talk.messages[-1] == {"role": "assistant", "content": "12"}
