"""The mutation tester: what it changes, and what it finds in a module with a weak test."""

import ast
import importlib.util
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tester() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "scripts/mutants.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module  # attrs looks for it
    spec.loader.exec_module(module)
    return module


def sources(tester: ModuleType, source: str) -> list[str]:
    """The source of every mutant."""
    changed = []
    for i in range(len(list(tester.mutants(ast.parse(source))))):
        tree = ast.parse(source)
        list(tester.mutants(tree))[i].apply()
        changed.append(ast.unparse(tree))
    return changed


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a + b", ["pass", "a - b"]),
        ("x = a < b <= c", ["x = a <= b <= c", "x = a < b < c"]),
        ("x = not a and -b", ["x = not a or -b", "x = a and -b", "x = not a and b"]),
        ("x = 2", ["x = 3"]),
        ("x = True", ["x = False"]),
        ("x = min(a, np.floor(b))", ["x = max(a, np.floor(b))", "x = min(a, np.ceil(b))"]),
        ("x = a if b else c", ["x = a", "x = c"]),
        ("x = [a for a in b if c]", ["x = [a for a in b]"]),
        (
            "if a:\n    raise b",
            ["if True:\n    raise b", "if False:\n    raise b", "if a:\n    pass"],
        ),
        ("x += 1", ["x -= 1", "pass", "x += 2"]),
        ("x.a = b", ["pass"]),
        ("while a:\n    break", ["while a:\n    continue"]),
        ('def f(a: int | None) -> bool | None:\n    """No."""', []),
        ("zip(a, strict=True)", ["pass"]),
        ("class A:\n    a: int = 1\n    b: int = field(default=1)", []),
    ],
)
def test_one_place_is_changed_at_a_time(
    tester: ModuleType, source: str, expected: list[str]
) -> None:
    assert sorted(sources(tester, source)) == sorted(expected)


SURVIVORS = """
import ast, sys
from pathlib import Path
from mutants import start_tests, survivors, wait_for
module, test = Path(sys.argv[1]), sys.argv[2]
number, survived = survivors(module, [test])
print(number, *(mutant.name for mutant in survived), sep=", ")
loop = ast.parse("def add(a, b):\\n    while True: pass")
print(wait_for(start_tests(module, loop, None, [test], 2), 600) < 0)
"""


def test_a_mutant_that_no_test_sees_survives_and_one_that_loops_is_killed(tmp_path: Path) -> None:
    module = tmp_path / "src/mutated_example.py"
    module.parent.mkdir()
    module.write_text("def add(a, b=0):\n    return a + b\n")
    test = tmp_path / "test_example.py"
    test.write_text("from mutated_example import add\ndef test(): assert add(1, 2) == 3\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "scripts"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-c", SURVIVORS, str(module), str(test)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["2, add: def add(a, b=0): | 0 -> 1", "True"]


def test_a_process_that_waits_too_long_is_killed(tester: ModuleType) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    assert tester.wait_for(child.pid, 0.01) == -signal.SIGKILL
    child.returncode = -signal.SIGKILL  # it was waited for


def test_every_equivalent_mutant_has_a_module_of_the_list_and_a_reason() -> None:
    table = tomllib.loads((ROOT / "scripts/mutants.toml").read_text())
    modules = {f"{package}/{name}" for package, names in table["modules"].items() for name in names}
    assert table["tests"].keys() <= modules
    for entry in table["equivalent"]:
        assert entry["module"] in modules
        assert entry["reason"]
