"""Answers are compared with their references."""

from pathlib import Path
from typing import Any

import pytest

from tinker_core import ConfigError
from tinker_rl.data.answer_match import contains, exact, find_check, number


@pytest.mark.parametrize(
    ("check", "answer", "reference", "right"),
    [
        (exact, " 4\n", "4", True),
        (exact, "4.", "4", False),
        (number, "2 + 2 is 4.", "4", True),
        (number, "It is 1,234", "#### 1234", True),
        (number, "-3", "3", False),
        (number, "4.0", "4", True),
        (number, "none", "4", False),
        (number, "72", "48 + 24 = <<48+24=72>>72\n#### 72", True),
        # each pair was once called equal, or different, by mistake
        (number, "3/2", "1/2", False),
        (number, "(3, 7)", "(1, 7)", False),
        (number, "12:30", "11:30", False),
        (number, "2e5", "1e5", False),
        (number, "1,2,3", "123", False),
        (number, "It is \u22123", "-3", True),
        (number, "0.5", "1/2", True),
        (number, "1e5", "100000", True),
        (number, "10{,}000", "10000", True),
        (number, "pages 12-15", "15", True),
        (number, "4", "none", False),
        (contains, "the cat sat", "cat", True),
        (contains, "the dog sat", "cat", False),
    ],
)
def test_an_answer_is_right_or_wrong(check: Any, answer: str, reference: str, right: bool) -> None:
    assert check(answer, reference) is right


def test_a_check_is_found_by_name_or_where_it_lies() -> None:
    assert find_check("number") is number
    elsewhere = find_check("tinker_rl.data.answer_match:exact")
    assert elsewhere(" 4", "4")
    assert not elsewhere("5", "4")
    for unknown in ("nothing", "tinker_rl:nothing", "no_such_module:x"):
        with pytest.raises(ConfigError, match="unknown check"):
            find_check(unknown)


def test_a_check_that_runs_away_is_killed_and_its_answer_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "powers.py").write_text(
        "def check(answer, reference):\n    return eval(answer) == int(reference)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    check = find_check("powers:check", seconds=0.5)
    assert not check("2**10**10", "4")  # holds the interpreter's lock
    assert "counted as wrong: '2**10**10'" in caplog.text
    assert check("2**2", "4")
