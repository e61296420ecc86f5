"""A call in a pool ends: by its result, by its own error, or killed, and the pool lives on."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinker_core.process_pool import CallKilledError, ProcessPool

MODULE = """
import os, sys, time

class Odd(Exception):
    def __init__(self, a, b):
        super().__init__(a)

def work(what, value=None):
    match what:
        case "square": return value * value
        case "power": return 2**10**11
        case "sleep": return time.sleep(600)
        case "die": os._exit(3)
        case "fail": raise KeyError(value)
        case "odd": raise Odd(1, 2)
        case "fill": return len(bytearray(1 << 40))
        case "nest": return work("nest")
        case "print": return print("out of place")
        case "wait":
            while not os.path.exists(value):
                time.sleep(0.01)
        case "process": return os.getpid()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A module that is on no path."""
    file = tmp_path / "work.py"
    file.write_text(MODULE)
    return file


@pytest.fixture
def pool(file: Path) -> Iterator[ProcessPool]:
    """One process, with more time for a call than any of these takes on a busy machine."""
    pool = ProcessPool(f"{file}:work", seconds=60.0, size=1)
    yield pool
    pool.close()


def test_a_call_returns_the_functions_result(pool: ProcessPool) -> None:
    assert [pool.call("square", n) for n in (2, 3)] == [4, 9]


def test_the_process_stays_for_the_next_call(pool: ProcessPool) -> None:
    assert len({pool.call("process") for _ in range(3)}) == 1


@pytest.mark.parametrize("what", ["power", "sleep"])
def test_a_call_that_takes_too_long_is_killed(pool: ProcessPool, what: str) -> None:
    before = pool.call("process")
    pool.seconds = 1.0
    with pytest.raises(CallKilledError, match="killed after 1 s"):
        pool.call(what)
    pool.seconds = 60.0
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert pool.call("square", 5) == 25


def test_a_call_that_ends_its_process_is_an_error_and_not_the_end_of_the_pool(
    pool: ProcessPool,
) -> None:
    with pytest.raises(CallKilledError, match="status 3"):
        pool.call("die")
    assert pool.call("square", 5) == 25


def test_a_process_that_was_ended_from_outside_is_replaced(pool: ProcessPool) -> None:
    first = pool.call("process")
    os.kill(first, signal.SIGKILL)
    while pool._idle[0].popen.poll() is None:
        time.sleep(0.01)
    assert pool.call("process") != first


@pytest.mark.parametrize(
    ("what", "error"),
    [("fail", KeyError), ("fill", MemoryError), ("nest", RecursionError), ("odd", RuntimeError)],
)
def test_the_functions_own_error_is_raised(
    pool: ProcessPool, what: str, error: type[Exception]
) -> None:
    before = pool.call("process")
    with pytest.raises(error):
        pool.call(what, "missing")
    assert pool.call("process") == before


def test_what_the_function_prints_does_not_disturb_the_output(
    pool: ProcessPool, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pool.call("print") is None
    assert capfd.readouterr().out == ""


def test_a_function_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        ProcessPool("no_such_module:work").call(1)
    (tmp_path / "empty.py").touch()
    with pytest.raises(AttributeError, match="work"):
        ProcessPool(f"{tmp_path / 'empty.py'}:work").call(1)


def test_a_function_is_found_on_the_path_of_the_parent(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(file.parent))
    pool = ProcessPool("work:work")
    assert pool.call("square", 3) == 9
    pool.close()


def test_no_more_processes_run_than_the_pool_has_room_for(file: Path) -> None:
    pool = ProcessPool(f"{file}:work", size=2)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(pool.call("process"))) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()
    assert len(found) == 12
    assert len(set(found)) <= 2


def test_the_event_loop_goes_on_while_a_call_runs(pool: ProcessPool, tmp_path: Path) -> None:
    awaited = tmp_path / "awaited"

    async def release() -> None:
        awaited.touch()

    async def both() -> None:
        await asyncio.gather(pool.call_async("wait", str(awaited)), release())

    asyncio.run(both())


SCRIPT = """
import contextlib, os, sys, threading
from tinker_core.process_pool import CallKilledError, ProcessPool
pool = ProcessPool(sys.argv[1] + ":work", seconds=600)
print(pool.call("process"), flush=True)
def sleep():
    with contextlib.suppress(CallKilledError):
        pool.call("sleep")
if sys.argv[2] == "busy":
    threading.Thread(target=sleep, daemon=True).start()
if sys.argv[2] == "killed":
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("how", ["idle", "busy", "killed"])
def test_no_process_outlives_the_program(file: Path, how: str) -> None:
    program = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(file), how]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    process = int(ran.stdout)
    for _ in range(1000):  # a child whose pipe is closed needs a moment to end
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail(f"process {process} is left behind")
