"""The sandbox holds a program to its limits."""

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from tinker_evals.errors import GradingError
from tinker_evals.sandbox.sandbox import Sandbox, SandboxResult

QUICK = Sandbox(seconds=5.0, memory_mb=512)


def run(program: str, sandbox: Sandbox = QUICK) -> SandboxResult:
    return asyncio.run(sandbox.run(program))


def test_an_endless_loop_ends() -> None:
    ran = run("while True: pass", Sandbox(seconds=0.5))
    assert ran.timed_out
    assert not ran.passed


def test_a_program_that_sleeps_ends() -> None:
    assert run("import time; time.sleep(60)", Sandbox(seconds=0.5)).timed_out


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    program = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c",
    "import time, pathlib; time.sleep(1); pathlib.Path({str(alive)!r}).touch()"])
"""
    run(program)
    time.sleep(1.5)
    assert not alive.exists()


def test_memory_has_a_limit() -> None:
    assert "MemoryError" in run("x = bytearray(1 << 30)").output


def test_files_have_a_limit() -> None:
    ran = run("open('big', 'wb').write(bytes(40 << 20))")
    assert not ran.passed


def test_it_sees_neither_our_environment_nor_our_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-secret")
    ran = run("import os; print(os.environ.get('TINKER_API_KEY'), os.getcwd(), os.listdir())")
    assert ran.output.startswith("None ")
    assert os.getcwd() not in ran.output
    assert ran.output.endswith("[]")


def test_it_reads_no_input() -> None:
    assert "EOFError" in run("input()").output


def test_no_more_programs_run_at_once_than_there_is_room_for() -> None:
    program = "import time; print(time.time()); time.sleep(0.1); print(time.time())"

    async def all_of_them() -> list[SandboxResult]:
        sandbox = Sandbox(at_once=2)
        return await asyncio.gather(*(sandbox.run(program) for _ in range(6)))

    spans = [[float(t) for t in ran.output.split()] for ran in asyncio.run(all_of_them())]
    at_once = [sum(a <= start < b for a, b in spans) for start, _ in spans]
    assert max(at_once) <= 2


def connect_to(server: socket.socket, network: str) -> SandboxResult:
    program = f"import socket; socket.create_connection({server.getsockname()!r}, timeout=2)"
    return run(program, Sandbox(seconds=5.0, network=network))


def test_a_program_reaches_no_socket_unless_it_may() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert connect_to(server, "open").passed
        assert not connect_to(server, "open").network_cut
        ran = connect_to(server, "cut_if_possible")
    if not ran.network_cut:
        pytest.skip("this system forbids it")
    assert not ran.passed
    assert "unreachable" in ran.output


@pytest.mark.parametrize("address", ["('192.0.2.1', 80)", "('example.org', 80)"])
def test_nothing_outside_can_be_reached(address: str) -> None:
    ran = run(f"import socket; socket.create_connection({address}, timeout=2)")
    assert not ran.passed


FORBIDS = """
import ctypes, runpy, sys
ctypes.CDLL = lambda name: type("C", (), {"unshare": staticmethod(lambda flags: -1)})
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_where_the_network_cannot_be_cut_that_is_said_once_or_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jail = tmp_path / "forbids.py"
    jail.write_text(FORBIDS)
    command = (sys.executable, str(jail))
    for _ in range(2):
        ran = run("print('hello')", Sandbox(command=command))
        assert (ran.passed, ran.network_cut, ran.output) == (True, False, "hello")
    assert [record.message for record in caplog.records] == [
        "this system does not let a program's network be cut off: "
        "the programs that are tested here can use it"
    ]
    with pytest.raises(GradingError, match="network be cut off"):
        run("print('hello')", Sandbox(command=command, network="cut"))


def test_a_program_cannot_say_that_it_passed() -> None:
    assert not run("print('0' * 32); raise SystemExit(0)").passed


def test_a_sandbox_that_does_not_start_is_no_fault_of_the_model() -> None:
    with pytest.raises(GradingError, match="no-such-jail"):
        run("pass", Sandbox(command=("no-such-jail", sys.executable)))


def test_a_program_that_floods_its_output_is_stopped() -> None:
    ran = run("while True: print('x' * 10_000)", Sandbox(seconds=5.0, file_mb=1))
    assert not ran.passed
    assert len(ran.output) <= 2_000
