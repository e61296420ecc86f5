"""The page about conformance and the README say what the package does."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from defects import DEFECTS

from tinker_conformance.checks import all_checks

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "conformance.md").read_text()
README = (ROOT / "packages" / "tinker-conformance" / "README.md").read_text()


def rows(title):
    """The cells of the table under a title, without its head."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def test_the_page_counts_the_checks_of_each_group():
    groups = Counter(check.group for check in all_checks())
    assert {row[0].strip("`"): int(row[1]) for row in rows("Groups")} == groups
    assert f"There are {len(all_checks())} checks." in PAGE
    assert f"{len(all_checks())} black-box checks" in README


def test_the_page_lists_every_defect_and_what_catches_it():
    listed = {row[0].strip("`"): re.findall(r"`([^`]+)`", row[2]) for row in rows("Defects")}
    assert listed == {defect.name: list(defect.caught_by) for defect in DEFECTS}
    assert f"{len(DEFECTS)} defects" in PAGE


def test_every_check_has_a_name_of_its_own_and_a_sentence():
    checks = all_checks()
    assert len({check.id for check in checks}) == len(checks)
    assert [check.id for check in checks if not check.claim.endswith(".")] == []
