"""The versions in the manifests, the pins, the hooks and the sessions agree."""

import ast
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
MANIFESTS = {
    path.parent.name: tomllib.loads(path.read_text())
    for path in ROOT.glob("packages/*/pyproject.toml")
}
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(
        r"(?m)^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text()
    )
}

MODULES = {"pillow": {"PIL"}, "protobuf": {"google"}}
"""The modules of a distribution that has another name."""
BROUGHT_ALONG = {
    "huggingface-hub": {"yaml"},
    "tinker": {"click", "httpx"},
    "transformers": {"tokenizers"},
}
"""Modules of the dependencies of a dependency."""


def declared(*, extras=False):
    """Package and requirement of each third-party dependency, those of the tests included."""
    for package, manifest in MANIFESTS.items():
        project = manifest["project"]
        groups = [project["dependencies"], manifest["dependency-groups"]["test"]]
        if extras:
            groups += project.get("optional-dependencies", {}).values()
        for requirement in map(Requirement, (line for group in groups for line in group)):
            if requirement.name not in MANIFESTS:
                yield package, requirement


def lowest(requirement):
    [version] = [clause.version for clause in requirement.specifier if clause.operator == ">="]
    return Version(version)


def test_a_dependency_has_one_lowest_version_in_all_packages():
    found = {}
    for package, requirement in declared(extras=True):
        found.setdefault(requirement.name, {}).setdefault(lowest(requirement), []).append(package)
    assert {name: versions for name, versions in found.items() if len(versions) > 1} == {}


def test_every_dependency_is_pinned_at_a_version_that_its_packages_allow():
    wrong = {}
    for package, requirement in declared():
        pin = PINS.get(canonicalize_name(requirement.name), "missing")
        if pin == "missing" or pin not in requirement.specifier:
            wrong[package, str(requirement)] = pin
    assert wrong == {}


def test_the_pre_commit_hooks_run_the_ruff_of_the_gate():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(re.findall(r"ruff==([\w.]+)", hooks)) == {PINS["ruff"]}


def test_every_path_that_the_sessions_name_exists():
    named = set(
        re.findall(r'"((?:packages|examples|scripts)/[\w./-]+)"', (ROOT / "noxfile.py").read_text())
    )
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_package_pins_its_public_names():
    unpinned = [
        name
        for name in MANIFESTS
        if not (ROOT / "packages" / name / "tests/test_public_names.py").exists()
    ]
    assert unpinned == []


def modules_of(package):
    """The modules that the tests of a package may import."""
    needed = {Requirement(line).name for line in MANIFESTS[package]["dependency-groups"]["test"]}
    remaining = [package, *needed]
    while remaining:
        name = remaining.pop()
        needed.add(name)
        if name in MANIFESTS:
            lines = MANIFESTS[name]["project"]["dependencies"]
            remaining += {Requirement(line).name for line in lines} - needed
    names = {canonicalize_name(name) for name in needed}
    own = {path.stem for path in (ROOT / "packages" / package / "tests").rglob("*")}
    return own.union(
        *(MODULES.get(name, {name.replace("-", "_")}) for name in names),
        *(BROUGHT_ALONG.get(name, ()) for name in names),
    )


def imports(file):
    """The top-level modules that a file imports when it is loaded."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_tests_import_what_their_package_declares():
    undeclared = {
        (str(file.relative_to(ROOT)), module)
        for package in MANIFESTS
        for file in (ROOT / "packages" / package / "tests").rglob("*.py")
        for module in set(imports(file)) - sys.stdlib_module_names - modules_of(package)
    }
    assert undeclared == set()
