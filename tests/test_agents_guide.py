"""Every path, name, command and session in AGENTS.md exists."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "AGENTS.md").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", re.sub(r"(?s)```.*?```", "", GUIDE))
SCRIPTS = {
    name
    for file in ROOT.glob("packages/*/pyproject.toml")
    for name in tomllib.loads(file.read_text())["project"].get("scripts", {})
}
IN_A_RUN = {"config.json", "metrics.jsonl", "checkpoints.jsonl", "report.html"}
IN_A_RUN |= {"transcripts/", "logtree/"}


def names_of(package: str, *inner: str) -> set[str]:
    """The names in `__all__` of a package or of a package inside it."""
    file = ROOT.joinpath("packages", package.replace("_", "-"), "src", package, *inner)
    tree = ast.parse((file / "__init__.py").read_text())
    lists = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return set(ast.literal_eval(lists[0]))


@pytest.mark.parametrize("path", [each for each in QUOTED if re.fullmatch(r"\S*(/|\.\w+)", each)])
def test_a_path_exists(path: str) -> None:
    known = path in IN_A_RUN or path.split(".")[0].startswith("tinker") or (ROOT / path).exists()
    assert known


@pytest.mark.parametrize("name", re.findall(r"\btinker_\w+(?:\.\w+)+", " ".join(QUOTED)))
def test_a_name_is_public(name: str) -> None:
    package, *inner, last = name.split(".")
    assert last in names_of(package, *inner)


@pytest.mark.parametrize(
    "name", [n for line in re.findall(r"from (tinker_\w+ import .*)", GUIDE) for n in [line]]
)
def test_an_import_is_of_public_names(name: str) -> None:
    package, _, names = name.partition(" import ")
    assert set(names.split(", ")) <= names_of(package)


@pytest.mark.parametrize("command", [c for c in QUOTED if re.match(r"tinker-\w+ \w", c)])
def test_a_command_has_its_script_and_subcommand(command: str) -> None:
    script, subcommand, *_ = command.split()
    assert script in SCRIPTS
    package = ROOT / "packages" / script / "src"
    sources = " ".join(file.read_text() for file in package.rglob("cli*/**/*.py"))
    sources += " ".join(file.read_text() for file in package.rglob("cli.py"))
    spelling = subcommand.replace("-", "[-_]")
    assert re.search(rf"\b{spelling}\b", sources)


@pytest.mark.parametrize("session", re.findall(r"nox -s \"?(\w+)", GUIDE))
def test_a_session_of_nox_exists(session: str) -> None:
    assert re.search(rf"^def {session}\(", (ROOT / "noxfile.py").read_text(), re.MULTILINE)


def test_the_guide_is_short() -> None:
    assert len(GUIDE.splitlines()) < 200
