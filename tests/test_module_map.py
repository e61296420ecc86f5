"""The module map of CONTRIBUTING.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = {path.name: path for path in ROOT.glob("packages/*/src/*") if path.is_dir()}


def mapped() -> set[str]:
    """Every path of the map, such as tinker_core/jsonl.py and tinker_core/testing/."""
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Module map")[1]
    sections = re.findall(r"(?ms)^### (tinker_\w+)$(.*?)(?=^### |\Z)", text)
    return {
        f"{package}/{path}"
        for package, lines in sections
        for path in re.findall(r"(?m)^- `([^`]+)`: \S", lines)
    }


def test_every_path_of_the_map_exists() -> None:
    missing = []
    for path in mapped():
        package, _, inner = path.partition("/")
        target = SOURCES[package] / inner
        if not (target.is_dir() if path.endswith("/") else target.is_file()):
            missing.append(path)
    assert missing == []


def test_every_folder_is_in_the_map() -> None:
    folders = {
        f"{package}/{module.parent.relative_to(source)}/"
        for package, source in SOURCES.items()
        for module in source.rglob("*.py")
        if module.parent != source
    }
    assert sorted(folders - mapped()) == []


def test_every_package_is_in_the_map() -> None:
    assert {path.split("/")[0] for path in mapped()} == set(SOURCES)
