"""The command: the whole suite on the embedded engine, and wrong calls."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tinker_conformance.checks import all_checks


def command(*arguments, home):
    environment = {"TINKER_LOCAL_HOME": str(home), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-m", "tinker_conformance", *arguments],
        capture_output=True,
        text=True,
        env=environment,
    )


def test_the_embedded_engine_passes_every_check(tmp_path):
    file = tmp_path / "report.json"
    run = command(
        *("run", "--base-url", "local", "--model", "local/tiny", "--strict", "--jobs", "2"),
        *("--json", str(file)),
        home=tmp_path,
    )
    assert run.returncode == 0, run.stdout
    report = json.loads(file.read_text())
    assert [result["check"] for result in report["results"]] == [c.id for c in all_checks()]
    assert {result["status"] for result in report["results"]} == {"passed"}
    assert report["notes"]["load_state in the middle of a run"]


def test_nothing_is_left_of_the_checkpoints(tmp_path):
    run = command(
        *("run", "--base-url", "local", "--model", "local/tiny"),
        *("--check", "ttl", "--check", "checkpoint/path", "--check", "weights/layout"),
        home=tmp_path,
    )
    assert run.returncode == 0, run.stdout
    assert list(tmp_path.glob("checkpoints/*/*/*")) == []


def test_checks_are_chosen_by_group_and_by_pattern(tmp_path):
    listed = command("list", "--check", "ttl", "--check", "draw/top_*", home=tmp_path)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        check.id
        for check in all_checks()
        if check.group == "ttl" or check.id in ("draw/top_k", "draw/top_p")
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--model", "m"], "which server?"),
        (["run", "--model", "m", "--base-url", "http://127.0.0.1:1"], "no server answers there"),
        (["run", "--model", "m", "--base-url", "local", "--check", "lose"], "groups are loss,"),
        (["run", "--model", "m", "--base-url", "local", "--timeout", "0"], "--timeout"),
        (["parity", "--a", "local", "--b", "http://127.0.0.1:1", "--model", "m"], "no server"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(arguments, complaint, tmp_path):
    run = command(*arguments, home=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith("tinker-conformance: ")
    assert complaint in run.stderr
    assert len(run.stderr.splitlines()) == 1
