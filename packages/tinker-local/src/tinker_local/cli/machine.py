"""What this machine has: cores, memory, disk, and the settings that hinder an engine here."""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

THREADING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "TOKENIZERS_PARALLELISM": "false"}
"""Spinning threads make a step ten times slower as soon as another process competes for a core."""
NOT_NEEDED = ("accelerate", "scipy")
"""transformers imports them wherever they are installed, for what an engine has no use for."""
_GROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def core_quota(group: Path = _GROUP) -> float | None:
    """How many cores' time a container's limit (cgroup v2) leaves; None where there is none."""
    quota = re.match(r"(\d+) (\d+)", _read(group / "cpu.max"))
    return int(quota[1]) / int(quota[2]) if quota else None


@frozen(kw_only=True)
class Memory:
    """In bytes; None where the system does not say."""

    total: int | None
    available: int | None
    """What can be had without swapping."""


def memory(meminfo: Path = _MEMINFO, group: Path = _GROUP) -> Memory:
    """Of the machine, or of the container if that is less."""
    stated = {
        name: int(kilobytes) * 1024
        for name, kilobytes in re.findall(r"(\w+): +(\d+) kB", _read(meminfo))
    }
    total, available = stated.get("MemTotal"), stated.get("MemAvailable")
    if total is None and "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit, used = _read(group / "memory.max"), _read(group / "memory.current")
    if limit.isdigit() and used.isdigit():
        total = min(total or int(limit), int(limit))
        left = max(0, int(limit) - int(used))
        available = left if available is None else min(available, left)
    return Memory(total=total, available=available)


def _read(file: Path) -> str:
    """Empty where this system has no such file."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def free_disk(folder: Path) -> int:
    """Bytes where the folder is or would be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def hindrances(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Settings that slow an engine here down or keep clients from it, and what to do."""
    found = []
    proxies = {
        name: proxy
        for name, proxy in urllib.request.getproxies_environment().items()
        if name in ("http", "all")
    }
    if proxies and not urllib.request.proxy_bypass("127.0.0.1"):
        names = ", ".join(f"{name}_proxy" for name in sorted(proxies))
        found.append(f"{names} is set: clients would send loopback there; set NO_PROXY=127.0.0.1")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        value = environment.get(name, "")
        if value.isdigit() and int(value) > cores():
            found.append(f"{name}={value}: more threads than the {cores()} cores")
    if environment.get("OMP_WAIT_POLICY", "passive").lower() != "passive":
        found.append(
            f"OMP_WAIT_POLICY={environment['OMP_WAIT_POLICY']}: waiting threads spin, and a step "
            "gets many times slower beside another busy process; set it to passive"
        )
    return found
