"""The engine as a child process: how it starts, and that it never outlives its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tinker_local import child_process


def is_alive(process_id: int) -> bool:
    """A process runs. One that has ended and is a zombie does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_within(process_id: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(process_id)


def health(url: str) -> int:
    with urllib.request.urlopen(f"{url}/api/v1/healthz") as response:
        return int(response.status)


def test_an_engine_answers_when_start_returns_and_not_after_close(tmp_path):
    with child_process.start_engine(home=tmp_path) as engine:
        assert engine.api_key.startswith("tml-")
        assert engine.base_url.startswith("http://127.0.0.1:")
        assert health(engine.base_url) == 200
        assert engine.log.is_relative_to(tmp_path / "logs")
    assert engine.process.returncode == 0, engine.log.read_text()
    with pytest.raises(urllib.error.URLError):
        health(engine.base_url)
    engine.close()


def test_two_engines_run_side_by_side_on_one_home(tmp_path):
    with (
        child_process.start_engine(home=tmp_path) as one,
        child_process.start_engine(home=tmp_path) as other,
    ):
        assert one.base_url != other.base_url
        assert one.api_key != other.api_key
        assert health(one.base_url) == health(other.base_url) == 200


def test_only_the_parent_has_the_key(tmp_path):
    with child_process.start_engine(home=tmp_path) as engine:
        request = urllib.request.Request(f"{engine.base_url}/api/v1/sessions")
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(request)
        refused.value.close()
        command = Path(f"/proc/{engine.process.pid}/cmdline").read_bytes()
        assert engine.api_key.encode() not in command, "everyone on this machine can read it there"


def test_an_engine_that_cannot_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(child_process, "ARGUMENTS", ("serve", "--port", "99999", "--child"))
    with pytest.raises(child_process.EngineStartError, match="--port 99999"):
        child_process.start_engine(home=tmp_path)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_engine_ends_with_its_parent_however_that_ends(tmp_path, end):
    program = textwrap.dedent(
        f"""
        import pathlib, time
        from tinker_local import start_engine
        engine = start_engine(home=pathlib.Path({str(tmp_path)!r}))
        print(engine.process.pid, flush=True)
        time.sleep(600)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert is_alive(child)
    os.kill(parent.pid, end)
    parent.wait()
    parent.stdout.close()
    assert gone_within(child, 10.0)


def test_requests_to_the_engine_bypass_a_proxy(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.setenv("no_proxy", "example.com")
    with child_process.start_engine(home=tmp_path) as engine:
        assert health(engine.base_url) == 200
    assert os.environ["NO_PROXY"] == "example.com,127.0.0.1"


def test_logs_do_not_pile_up(tmp_path):
    names = [child_process._new_log(tmp_path) for _ in range(2)]
    for index in range(40):
        (tmp_path / f"engine-2020010{index % 10}-00000{index}-1-ab.log").touch()
    for name in names:
        name.touch()
    child_process._new_log(tmp_path)
    left = sorted(tmp_path.iterdir())
    assert len(left) == child_process.KEPT_LOGS
    assert left[-1] in names, "the newest stay"
