"""The sandbox runs a program and its tests in two processes, and holds them to limits."""

import asyncio

import pytest

from tinker_evals.errors import GradingError
from tinker_evals.sandbox.backend import Limits
from tinker_evals.sandbox.local import LocalJail
from tinker_evals.sandbox.sandbox import Sandbox, SandboxResult, _warn_once

LIMITS = Limits(seconds=5.0, memory_mb=512)
QUICK = Sandbox(limits=LIMITS)
PLAIN = Sandbox(limits=LIMITS, backend=LocalJail(isolate=False))


def run(program: str, sandbox: Sandbox = QUICK) -> SandboxResult:
    return asyncio.run(sandbox.run(program))


def judge(program: str, tests: str, *names: str) -> SandboxResult:
    return asyncio.run(QUICK.test(program, tests, names=names))


@pytest.mark.parametrize("program", ["while True: pass", "import time; time.sleep(60)"])
@pytest.mark.parametrize("isolate", [True, False])
def test_a_program_that_does_not_end_is_ended(program: str, isolate: bool) -> None:
    sandbox = Sandbox(limits=Limits(seconds=0.5), backend=LocalJail(isolate=isolate))
    ran = run(program, sandbox)
    assert ran.timed_out
    assert not ran.finished


@pytest.mark.parametrize("sandbox", [QUICK, PLAIN])
def test_memory_and_output_have_a_limit(sandbox: Sandbox) -> None:
    assert "MemoryError" in run("x = bytearray(1 << 30)", sandbox).error
    ran = run("while True: print('x' * 10_000)", sandbox)
    assert not ran.finished
    assert len(ran.output) <= 2_000


def test_it_reads_no_input() -> None:
    assert "EOFError" in run("input()").error


def test_no_more_programs_run_at_once_than_there_is_room_for() -> None:
    program = "import time; print(time.time()); time.sleep(0.1); print(time.time())"

    async def all_of_them() -> list[SandboxResult]:
        sandbox = Sandbox(at_once=2)
        return await asyncio.gather(*(sandbox.run(program) for _ in range(6)))

    spans = [[float(t) for t in ran.output.split()] for ran in asyncio.run(all_of_them())]
    at_once = [sum(a <= start < b for a, b in spans) for start, _ in spans]
    assert max(at_once) <= 2


@pytest.mark.parametrize(
    "value",
    [
        *("None", "True", "-3", "2**200", "1.5", "'Z\u00fcrich'", "b'a'", "bytearray(b'a')"),
        *("[1, [2]]", "(1, (2,))", "{1, 2}", "frozenset({1})", "{(1, 2): {'a': [None]}}"),
        *("1+2j", "range(3)", "float('inf')", "''", "[]", "{}"),
    ],
)
def test_a_value_arrives_as_it_was_and_comes_back(value: str) -> None:
    tests = f"v = f({value})\nassert v == ({value}) and type(v) is type({value})"
    assert judge("def f(x): return x", tests).passed


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        ("def f(xs): xs.sort()", "xs = [2, 1]\nf(xs)\nassert xs == [1, 2]"),
        ("def f(g, x): return g(x)", "assert f(lambda x: x + 1, 1) == 2"),
        ("def f(): return lambda x: x + 1", "assert f()(1) == 2"),
        ("def f(): return (x for x in 'ab')", "assert list(f()) == ['a', 'b']"),
        ("def f(): raise KeyError('a')", "try: f()\nexcept KeyError: pass\nelse: assert False"),
        ("class P:\n  def __init__(s, x): s.x = x\n  def y(s): return s.x", "assert P(3).y() == 3"),
        ("import math\ndef f(): return math.pi", "assert math.isclose(f(), 3.14159265358979)"),
        (
            "from collections import Counter\ndef f(x): return Counter(x)",
            "assert f('a') == {'a': 1}",
        ),
        ("LIMIT = 3\ndef f(x, *, y=0): return x + y", "assert f(1, y=LIMIT) == 4"),
    ],
)
def test_tests_use_a_program_as_if_it_ran_beside_them(program: str, tests: str) -> None:
    assert judge(program, tests).error == ""


def test_a_program_replaces_a_built_in_only_by_name() -> None:
    program = "def abs(x): return 0"
    assert not judge(program, "assert abs(-1) == 0").passed
    assert judge(program, "assert abs(-1) == 0", "abs").passed


def test_a_failed_test_names_its_line() -> None:
    ran = judge("def f(): return 1", "assert f() == 1\nassert f() == 2")
    assert (ran.finished, ran.passed) == (True, False)
    assert ran.error.startswith("AssertionError")
    assert ran.error.endswith("assert f() == 2")


def test_less_isolation_is_said_once_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    _warn_once.cache_clear()  # tests before this one have been warned
    for _ in range(2):
        assert not run("pass", PLAIN).isolated
    assert len([r for r in caplog.records if "limits only" in r.message]) == 1
    strict = Sandbox(backend=LocalJail(isolate=False), require_isolation=True)
    with pytest.raises(GradingError, match="limits only"):
        run("pass", strict)
