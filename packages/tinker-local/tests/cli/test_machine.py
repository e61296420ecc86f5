"""The limits of the machine, from files as Linux writes them."""

from __future__ import annotations

import os

import pytest

from tinker_local.cli import machine


def test_the_limits_of_a_container_replace_those_of_the_machine(tmp_path):
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


def test_free_disk_works_for_a_folder_that_does_not_exist_yet(tmp_path):
    assert machine.free_disk(tmp_path / "not" / "yet") > 0


@pytest.fixture
def no_proxies(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def test_a_proxy_is_a_warning_unless_loopback_bypasses_it(monkeypatch, no_proxies):
    assert machine.warnings({}) == []
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    (complaint,) = machine.warnings({})
    assert "NO_PROXY=127.0.0.1" in complaint
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    assert machine.warnings({}) == []


def test_threads_that_spin_or_are_too_many_are_warnings(no_proxies):
    assert "active" in machine.warnings({"OMP_WAIT_POLICY": "active"})[0]
    assert "OMP_NUM_THREADS=9999" in machine.warnings({"OMP_NUM_THREADS": "9999"})[0]
    assert machine.warnings({"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}) == []
