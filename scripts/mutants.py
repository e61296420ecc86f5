"""Mutation testing: change one place of a module and see that its tests fail.

python scripts/mutants.py                              # every module in mutants.toml
python scripts/mutants.py tinker-rl                    # those of one package
python scripts/mutants.py tinker-rl update/advantages  # one of them

Each mutant differs from its module by one operator, constant, condition or statement. A mutant
survives if all tests of the module pass. It then needs a test, or, if no test can tell it from the
module, an entry with a reason in mutants.toml. The script exits with 1 for a survivor without an
entry and for an entry without a survivor.

The parent imports the heavy libraries once. Every mutant is tested in a fork of it.
"""

import argparse
import ast
import copy
import gc
import importlib.util
import math
import os
import resource
import signal
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[1]
PRELOADED = ("hypothesis", "numpy", "pytest", "tinker", "torch", "transformers")
FAST = ("-x", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:unraisableexception")
AT_ONCE = os.cpu_count() or 1
LIMIT = 600  # seconds
SWAPPED = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult},
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In},
}
SWAPPED_NAMES = {
    **{"min": "max", "max": "min", "any": "all", "all": "any"},
    **{"minimum": "maximum", "maximum": "minimum", "floor": "ceil", "ceil": "floor"},
}
NOT_MUTATED = ("annotation", "returns", "decorator_list", "type_params")


@attrs.frozen
class Mutant:
    """One change of a syntax tree."""

    place: str
    """The function and the first line of the statement, so that a name survives moved lines."""
    line: int
    parent: ast.AST
    field: str
    index: int
    node: ast.AST
    replacement: ast.AST

    @property
    def name(self) -> str:
        return f"{self.place} | {shown(self.node)} -> {shown(self.replacement)}"

    def apply(self) -> None:
        """Change the tree in place."""
        value = getattr(self.parent, self.field)
        if isinstance(value, list):
            value[self.index] = self.replacement
        else:
            setattr(self.parent, self.field, self.replacement)


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    yield from other_operators(node)
    yield from other_values(node)
    yield from other_paths(node)
    yield from without(node)


def other_operators(node: ast.AST) -> Iterator[ast.AST]:
    """The same operands with another operator."""
    match node:
        case ast.BinOp() | ast.AugAssign() | ast.BoolOp() if type(node.op) in SWAPPED:
            yield edited(node, op=SWAPPED[type(node.op)]())
        case ast.Compare():
            for i, op in enumerate(node.ops):
                yield edited(node, ops=[*node.ops[:i], SWAPPED[type(op)](), *node.ops[i + 1 :]])
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand


def other_values(node: ast.AST) -> Iterator[ast.AST]:
    """Another constant, or the opposite function."""
    match node:
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1)
        case ast.Name() if node.id in SWAPPED_NAMES:
            yield edited(node, id=SWAPPED_NAMES[node.id])
        case ast.Attribute() if node.attr in SWAPPED_NAMES:
            yield edited(node, attr=SWAPPED_NAMES[node.attr])


def other_paths(node: ast.AST) -> Iterator[ast.AST]:
    """A condition that always or never holds, and the other way out of a loop's turn."""
    match node:
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.If():
            yield from (edited(node, test=ast.Constant(value)) for value in (True, False))
        case ast.comprehension(ifs=[_, *_]):
            yield edited(node, ifs=[])
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def without(node: ast.AST) -> Iterator[ast.AST]:
    """Nothing in the place of a statement that binds no name."""
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            pass
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Assert() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def edited(node: ast.AST, **fields: object) -> Any:
    """A shallow copy of a node with other fields."""
    result = copy.copy(node)
    for name, value in fields.items():
        setattr(result, name, value)
    return result


def shown(node: ast.AST) -> str:
    """The source of a node in one line: of a compound statement, its header."""
    return ast.unparse(node).strip().splitlines()[0]


def mutants(parent: ast.AST, function: str = "", statement: str = "") -> Iterator[Mutant]:
    """All mutants below a node of a syntax tree, from top to bottom."""
    for field, value in ast.iter_fields(parent):
        for index, node in enumerate(value if isinstance(value, list) else [value]):
            if field in NOT_MUTATED or not isinstance(node, ast.AST) or is_no_arithmetic(node):
                continue
            around = shown(node) if isinstance(node, ast.stmt) else statement
            line = getattr(node, "lineno", getattr(parent, "lineno", 0))
            for replacement in replacements(node):
                place = f"{function or 'module'}: {around}"
                yield Mutant(place, line, parent, field, index, node, replacement)
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            yield from mutants(node, node.name if named else function, around)


def is_no_arithmetic(node: ast.AST) -> bool:
    """Is this zip's `strict`, or the default of a field, which a test could only copy?"""
    match node:
        case ast.keyword(arg="strict") | ast.keyword(arg="default", value=ast.Constant()):
            return True
        case ast.AnnAssign(value=ast.Constant()):
            return True
    return False


class Mutated(SourceFileLoader, MetaPathFinder):
    """Finds one module by its name, and runs a tree in place of its file."""

    def __init__(self, module: str, path: Path, tree: ast.Module) -> None:
        super().__init__(module, str(path))
        self.tree = tree

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_code(self, fullname: str) -> Any:
        return compile(self.tree, self.path, "exec")


def start_tests(
    source: Path, tree: ast.Module, mutant: Mutant | None, tests: list[str], seconds: int
) -> int:
    """Run the tests of a module in a fork, with a mutant in its place. Return the process's id.

    A mutant that loops is ended after `seconds` of processor time.
    """
    child = os.fork()
    if child:
        return child
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    import pytest

    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    if mutant:
        mutant.apply()
    ast.fix_missing_locations(tree)
    *_, inner = source.with_suffix("").as_posix().partition("/src/")
    module = inner.replace("/", ".").removesuffix(".__init__")
    sys.meta_path.insert(0, Mutated(module, source, tree))
    os._exit(int(pytest.main([*FAST, *tests])))


def wait_for(child: int, seconds: float) -> int:
    """The exit code of a process. One that takes longer is killed, and its code is negative."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def processor_seconds() -> float:
    """The processor time of all tests so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def survivors(source: Path, tests: list[str]) -> tuple[int, list[Mutant]]:
    """The number of mutants of a module, and those with which its tests pass."""
    tree = ast.parse(source.read_text())
    before = processor_seconds()
    if wait_for(start_tests(source, tree, None, tests, LIMIT), LIMIT) != 0:
        raise SystemExit(f"the tests of {source} fail without a mutant: pytest {' '.join(tests)}")
    limit = 5 + 5 * math.ceil(processor_seconds() - before)
    found, running, survived = list(mutants(tree)), [], []
    for mutant in [*found, *[None] * AT_ONCE]:
        if len(running) == AT_ONCE or (mutant is None and running):
            oldest, child = running.pop(0)
            if wait_for(child, LIMIT) == 0:
                survived.append(oldest)
        if mutant:
            running.append((mutant, start_tests(source, tree, mutant, tests, limit)))
    return len(found), survived


def check(package: Path, name: str, table: dict[str, Any]) -> bool:
    """Test the mutants of one module, print the survivors, and tell if all are accounted for."""
    module = f"{package.name}/{name}"
    folder, _, file = name.rpartition("/")
    tests = table["tests"].get(module, [Path(folder, f"test_{file}.py")])
    [home] = (package / "src").glob("tinker_*")
    number, survived = survivors(home / f"{name}.py", [str(package / "tests" / it) for it in tests])
    kept = {entry["mutant"] for entry in table["equivalent"] if entry["module"] == module}
    unexpected = [mutant for mutant in survived if mutant.name not in kept]
    gone = kept - {mutant.name for mutant in survived}
    killed = number - len(survived)
    print(f"{module}: {number} mutants, {killed} killed, {len(survived)} survived", flush=True)
    for mutant in unexpected:
        print(f"  {home / name}.py:{mutant.line}: {mutant.name}", flush=True)
    for entry in sorted(gone):
        print(f"  mutants.toml names a mutant that does not survive: {entry}", flush=True)
    return not unexpected and not gone


def main() -> int:
    """Test the mutants of the modules on the command line."""
    parser = argparse.ArgumentParser(description="Change a module and see that its tests fail.")
    parser.add_argument("package", nargs="?", help="such as tinker-rl; default: all")
    parser.add_argument("modules", nargs="*", help="such as update/advantages; default: all")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    table = tomllib.loads(Path("scripts/mutants.toml").read_text())
    for library in PRELOADED:
        if importlib.util.find_spec(library):
            importlib.import_module(library)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.freeze()
    packages = [arguments.package] if arguments.package else table["modules"]
    unaccounted = [
        name
        for package in packages
        for name in arguments.modules or table["modules"][package]
        if not check(Path("packages", package), name, table)
    ]
    return 1 if unaccounted else 0


if __name__ == "__main__":
    sys.exit(main())
