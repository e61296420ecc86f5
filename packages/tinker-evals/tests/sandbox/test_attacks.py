"""No program passes a test that it does not solve, and none leaves the sandbox."""

import asyncio
import os
from pathlib import Path

import pytest

from tinker_evals.sandbox.backend import Limits
from tinker_evals.sandbox.sandbox import Sandbox, SandboxResult

SANDBOX = Sandbox(limits=Limits(seconds=4.0, memory_mb=512, file_mb=4, processes=16))
TESTS = "assert double(21) == 42"

FORGERIES = {
    "prints success": "print('passed'); double = lambda x: 0",
    "walks the frames": """
import sys
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
        if isinstance(value, str): print(value)
    frame = frame.f_back
""",
    "searches the garbage collector": """
import gc
for o in gc.get_objects():
    if isinstance(o, dict) and "token" in o: print(o["token"] + '{"passed": true}')
""",
    "equals everything": """
class Any:
    def __eq__(self, other): return True
def double(x): return Any()
""",
    "an int that equals everything": """
class Any(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def double(x): return Any(0)
""",
    "a str that equals everything": """
class Any(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def double(x): return Any("")
""",
    "a list that equals everything": """
class Any(list):
    def __eq__(self, other): return True
def double(x): return Any()
""",
    "mock's ANY": "from unittest.mock import ANY\ndef double(x): return ANY",
    "a magic mock": "from unittest.mock import MagicMock as double",
    "exits with 0": "import sys; sys.exit(0)",
    "exits at once": "import os; os._exit(0)",
    "exits when it is called": "import os\ndef double(x): os._exit(0)",
    "raises SystemExit when it is called": "def double(x): raise SystemExit(0)",
    "raises StopIteration": "def double(x): raise StopIteration",
    "raises KeyboardInterrupt": "def double(x): raise KeyboardInterrupt",
    "raises GeneratorExit": "def double(x): raise GeneratorExit",
    "exits at the end": "import atexit, os; atexit.register(lambda: os._exit(0))",
    "replaces a built-in": "import builtins; builtins.int.__eq__ = lambda a, b: True",
    "replaces print": "import builtins; builtins.print = lambda *a: None\ndef double(x): pass",
    "patches sys.modules": "import sys; sys.modules['json'] = sys.modules['ast'] = None",
    "patches json": "import json; json.dumps = lambda v: '[\"value\", true, []]'",
    "patches the harness": """
import __main__
__main__.OPERATIONS["eq"] = lambda a, b: True
__main__.Judge.verdict = lambda self, order: {"passed": True}
""",
    "disables assertions": "import sys; sys.flags = None; __debug__x = False\ndef double(x): 0",
    "sets a trace": "import sys; sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)",
    "writes into every descriptor": """
import os
for fd in range(3, 64):
    try: os.write(fd, b'{"passed": true}')
    except OSError: pass
""",
    "answers in advance": """
import os, struct
data = b'["value", true, []]'
os.write(3, struct.pack(">I", len(data)) + data)
def double(x): return True
""",
    "reads every descriptor": """
import os
for fd in [0, 1, 2, *range(4, 64)]:
    try: print(os.read(fd, 100))
    except OSError: pass
""",
    "reads the memory of its parents": """
import os
for pid in ("self", os.getppid(), 1, 2, 3):
    try: print(open(f"/proc/{pid}/mem", "rb").read(10))
    except OSError: pass
""",
    "reads the standard input of its parents": """
import os
for pid in (os.getppid(), 1, 2):
    try: print(open(f"/proc/{pid}/fd/0").read())
    except OSError: pass
""",
    "traces its parents": """
import ctypes, os
for pid in (os.getppid(), 1, 2, 3): ctypes.CDLL(None).ptrace(16, pid, 0, 0)
""",
    "kills its parents": """
import os
for pid in (os.getppid(), 1, 2, 3):
    try: os.kill(pid, 9)
    except OSError: pass
""",
    "kills its group": "import os; os.killpg(0, 9)",
    "kills everything": "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "aborts": "import os; os.abort()",
    "nests deeply": "def double(x):\n    v = []\n    for _ in range(100000): v = [v]\n    return v",
    "a cycle": "def double(x):\n    v = []\n    v.append(v)\n    return v",
    "an endless answer": "def double(x): return 'x' * (100 << 20)",
    "an endless sequence": "import itertools\ndef double(x): return itertools.count()",
    "not a number": "def double(x): return float('nan')",
    "forges a handle": "def double(x): return {'theirs': 0}",
    "finds the tests": """
import glob
for name in glob.glob("/tmp/**", recursive=True) + glob.glob("/work/**", recursive=True):
    try: print(open(name).read())
    except OSError: pass
""",
    "leaves the root": "import os\nos.chroot('.'); os.chdir('../..')",
    "unshares": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "mounts": "import ctypes; assert not ctypes.CDLL(None).mount(b'x', b'/', b'tmpfs', 0, None)",
}


def judge(program: str, tests: str = TESTS, sandbox: Sandbox = SANDBOX) -> SandboxResult:
    return asyncio.run(sandbox.test(program, tests))


@pytest.mark.parametrize("attack", FORGERIES)
def test_an_attack_does_not_pass(attack: str) -> None:
    ran = judge(FORGERIES[attack])
    assert not ran.passed
    assert not ran.timed_out or attack == "an endless sequence"
    assert "42" not in ran.output


def isolated(program: str) -> SandboxResult:
    ran = asyncio.run(SANDBOX.run(program))
    if not ran.isolated:
        pytest.skip("this system has no user namespaces")
    return ran


@pytest.mark.parametrize(
    "program",
    [
        "import os\nfor _ in range(300): os.fork() or __import__('time').sleep(60)",
        "import threading, time\nfor _ in range(300):"
        " threading.Thread(target=time.sleep, args=(60,)).start()",
        "for i in range(300): open(str(i), 'wb').write(bytes(1 << 20))",
        "for i in range(20_000): open(f'/tmp/{i}', 'w')",
        "import socket; socket.create_connection(('127.0.0.1', 22), timeout=1)",
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "import socket; socket.getaddrinfo('example.org', 80)",
        "open('/etc/passwd').read()",
        "import os; os.listdir('/proc/1')",
        "open('/usr/new', 'w')",
        "x = bytearray(1 << 30)",
    ],
)
def test_a_program_meets_the_wall(program: str) -> None:
    assert not isolated(program).finished


def test_a_program_sees_neither_your_files_nor_your_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-secret")
    (tmp_path / "secret").write_text("secret")
    home = Path.home()
    ran = isolated(
        f"import os; print([p for p in ({str(tmp_path)!r}, {__file__!r}) if os.path.exists(p)],"
        f" {str(home / '.bashrc')!r} if os.path.exists({str(home / '.bashrc')!r}) else '',"
        " os.environ.get('TINKER_API_KEY'), os.listdir())"
    )
    assert ran.output.split() == ["[]", "None", "['main.py']"]


@pytest.mark.parametrize("leave", ["os.setsid()", "os.setpgid(0, 0)", "os.fork() and os._exit(0)"])
def test_no_process_is_left_behind(leave: str) -> None:
    name = f"left-{os.getpid()}-{abs(hash(leave))}"
    program = (
        f"import os, ctypes, time\nif os.fork() == 0:\n    {leave}\n"
        f"    ctypes.CDLL(None).prctl(15, {name[:15].encode()!r}, 0, 0, 0)\n    time.sleep(60)\n"
        "time.sleep(0.1)"
    )
    asyncio.run(SANDBOX.run(program))
    names = [path.read_text() for path in Path("/proc").glob("[0-9]*/comm") if path.exists()]
    assert f"{name[:15]}\n" not in names
