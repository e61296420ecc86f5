"""The `tinker-local` command, in a process of its own."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

COMMAND = [sys.executable, "-m", "tinker_local"]


def refused(*arguments):
    """The one line that a failing command prints."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refused("serve", "--port", port, "--home", str(tmp_path))
    assert port in line
    assert "in use" in line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--host", "0.0.0.0"], "needs --key"),
        (["--host", "0.0.0.0", "--key", "secret"], "must start with tml-"),
        (["--threads", "0"], "--threads 0"),
        (["--port", "70000"], "--port 70000"),
        (["--session-timeout", "1"], "at least 30"),
        (["--model", "no-such/model"], "no-such/model"),
        (["--device", "cuda:99"], "--device cuda:99 cannot be used"),
        (["--loss", "nowhere:Loss"], "invalid loss 'nowhere:Loss'"),
    ],
)
def test_a_wrong_option_is_one_clear_line(tmp_path, arguments, complaint):
    assert complaint in refused("serve", "--home", str(tmp_path), *arguments)


@pytest.mark.parametrize(
    ("end", "model"), [(signal.SIGTERM, ["--model", "local/tiny"]), (signal.SIGINT, [])]
)
def test_a_server_ends_cleanly_on_a_signal(tmp_path, end, model):
    arguments = ["serve", "--port", "0", "--home", str(tmp_path), *model]
    server = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TINKER_LOCAL_KEY": ""},
    )
    url = server.stdout.readline().split()[-1]
    with urllib.request.urlopen(f"{url}/api/v1/healthz") as response:
        assert response.status == 200
    server.send_signal(end)
    _, log = server.communicate(timeout=20)
    assert server.returncode == 0, log
    assert "Traceback" not in log


def test_pull_says_where_a_model_lies_and_models_lists_it(tmp_path):
    environment = {**os.environ, "TINKER_LOCAL_HOME": str(tmp_path)}

    def said(*arguments):
        return subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, check=True, env=environment
        ).stdout

    assert os.path.isfile(os.path.join(said("pull", "local/tiny").strip(), "config.json"))
    assert "local/tiny" in said("models")
    assert "no-such/model" in refused("pull", "no-such/model")


def test_the_version_is_that_of_the_package():
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"tinker-local {importlib.metadata.version('tinker-local')}"
