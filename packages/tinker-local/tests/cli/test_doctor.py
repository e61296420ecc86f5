"""The report of `tinker-local doctor`, and its estimates by hand."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tinker_local.cli import doctor


def test_the_estimate_by_hand():
    # 10^8 parameters: 4e8 of weights, sqrt is 10^4: (16,000 + 148,000) x 10^4 = 1.64e9, and 0.5e9
    assert doctor.training_bytes(1e8, "float32") == pytest.approx(2.54e9)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_largest_model_takes_just_the_memory(dtype):
    assert doctor.training_bytes(doctor.largest(16e9, dtype), dtype) == pytest.approx(16e9)
    assert doctor.largest(1e8, dtype) == 0


def test_the_report_names_each_thing_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tinker_local", "doctor"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TINKER_LOCAL_HOME": str(tmp_path), "TINKER_BASE_URL": "http://x"},
    )
    words = [line.split()[0] for line in done.stdout.splitlines()]
    for word in ("software", "SDK", "cores", "memory", "disk", "GPU", "threads"):
        assert words.count(word) == 1
    assert str(tmp_path) in done.stdout
    assert "TINKER_BASE_URL is set" in done.stdout
    assert "local/tiny" in done.stdout
    assert doctor.FORMULA in done.stdout
