"""The suite in pytest form."""

from __future__ import annotations

import subprocess
import sys


def pytest_run(*arguments):
    plugin = ("-p", "tinker_conformance.plugin", "--pyargs", "tinker_conformance.suite")
    program = (sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider")
    run = subprocess.run([*program, *plugin, *arguments], capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def test_every_check_is_a_test(healthy):
    server = ("--tinker-base-url", healthy.base_url, "--tinker-api-key", healthy.api_key)
    status, output = pytest_run(*server, "--tinker-model", healthy.model, "-k", "ttl or image")
    assert status == 0, output
    assert "8 passed" in output


def test_a_failure_is_printed_without_a_traceback_and_a_refusal_skips(healthy):
    server = ("--tinker-base-url", healthy.base_url, "--tinker-api-key", healthy.api_key)
    wrong = ("--tinker-model", "no-such/model")
    status, output = pytest_run(*server, *wrong, "-k", "loss/ppo_thresholds or loss/cross_entropy")
    assert status == 1, output
    assert "1 failed, 1 skipped" in output
    assert "not supported" in output
    assert "Traceback" not in output


def test_without_a_server_it_says_what_is_missing():
    status, output = pytest_run("-k", "ttl/none")
    assert status != 0
    assert "--tinker-base-url and --tinker-model are needed" in output
