"""The table and the JSON file."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from tinker_conformance.run.report import Report, print_result
from tinker_conformance.run.result import Result
from tinker_conformance.target import Target

RESULTS = [
    Result(check="loss/a", claim="A is so.", status="passed", seconds=1.0, notes={"n": "seen"}),
    Result(
        check="loss/b",
        claim="B is so.",
        status="failed",
        seconds=0.5,
        what="loss:sum [x]",
        expected="1",
        came="2",
        snippet="print(1)\nprint(2)",
    ),
    Result(check="draw/c", claim="C is so.", status="not supported", seconds=0.1, what="no C here"),
    Result(check="draw/d", claim="D is so.", status="blocked", seconds=0.1, what="no twins"),
]


@pytest.fixture
def report():
    target = Target(base_url="http://server", api_key="tml-secret", model="some/model")
    return Report(target, RESULTS)


def printed(report):
    console = Console(record=True, width=120, highlight=False)
    for result in report.results:
        print_result(console, result)
    report.print(console)
    return console.export_text()


def test_a_failure_is_printed_with_what_was_expected_what_came_and_a_program(report):
    text = printed(report)
    assert "loss:sum [x]\n    expected  1\n    came      2\n" in text
    assert "    print(1)\n    print(2)" in text
    assert "not supported draw/c: no C here" in text
    assert "n: seen" in text


def test_the_table_counts_each_group(report):
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in printed(report).splitlines()
        if line.startswith("│")
    ]
    assert rows == [
        ["loss", "1", "1", "", "", "1.5"],
        ["draw", "", "", "1", "1", "0.2"],
        ["all", "1", "1", "1", "1", "1.7"],
    ]


def test_the_file_has_everything_but_the_key(report, tmp_path):
    report.write(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text()
    content = json.loads(text)
    assert content["counts"] == {"passed": 1, "failed": 1, "not supported": 1, "blocked": 1}
    assert content["model"] == "some/model"
    assert [Result(**each) for each in content["results"]] == RESULTS
    assert "tml-secret" not in text
    assert "tml-secret" not in repr(report)
