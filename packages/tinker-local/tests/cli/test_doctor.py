"""What `tinker-local doctor` reads and says, against files as Linux writes them and by hand."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tinker_local.cli import doctor, machine


def test_a_container_s_limits_are_the_machine(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  8000 kB\nMemFree:  1000 kB\nMemAvailable:   5000 kB\n")
    free = machine.memory(meminfo, tmp_path / "none")
    assert (free.total, free.available) == (8000 * 1024, 5000 * 1024)
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    limited = machine.memory(meminfo, tmp_path)
    assert (limited.total, limited.available) == (3_000_000, 2_000_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory(meminfo, tmp_path) == free


def test_a_quota_is_a_share_of_a_period(tmp_path):
    assert machine.core_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert machine.core_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.core_quota(tmp_path) is None


def test_the_disk_of_a_folder_that_is_not_made_yet(tmp_path):
    assert machine.free_disk(tmp_path / "not" / "yet") > 0


@pytest.fixture
def no_proxies(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def test_a_proxy_hinders_unless_it_is_kept_off_loopback(monkeypatch, no_proxies):
    assert machine.warnings({}) == []
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    (complaint,) = machine.warnings({})
    assert "NO_PROXY=127.0.0.1" in complaint
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    assert machine.warnings({}) == []


def test_threads_that_spin_or_are_too_many_are_complained_of(no_proxies):
    assert "active" in machine.warnings({"OMP_WAIT_POLICY": "active"})[0]
    assert "OMP_NUM_THREADS=9999" in machine.warnings({"OMP_NUM_THREADS": "9999"})[0]
    assert machine.warnings({"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}) == []


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
