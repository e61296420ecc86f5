"""The prose of the packages: every docstring names its subject first."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADLESS = re.compile(r'"""(?:What|How|Whether|Where|That|Who|Which|When|Why|As)\b[^"]*')


def test_no_docstring_opens_with_a_clause_without_a_head() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {match[0].splitlines()[0]}"
        for file in sorted(ROOT.glob("packages/*/src/**/*.py"))
        for match in HEADLESS.finditer(file.read_text())
    ]
    assert found == []
