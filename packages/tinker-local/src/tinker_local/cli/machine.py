"""This machine: its cores, memory and disk, and the settings that slow an engine down."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from tinker_local.loopback import ADDRESS, interfering_proxies

THREADING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "TOKENIZERS_PARALLELISM": "false"}
"""Without these, waiting threads spin, and a step beside another busy process takes ten times as
long."""
UNUSED_LIBRARIES = ("accelerate", "scipy")
"""transformers imports them where they are installed. The engine does not use them."""
_GROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def core_quota(group: Path = _GROUP) -> float | None:
    """The container's limit (cgroup v2), in cores; None where there is none."""
    quota = re.match(r"(\d+) (\d+)", _read(group / "cpu.max"))
    return int(quota[1]) / int(quota[2]) if quota else None


@frozen(kw_only=True)
class Memory:
    """In bytes; None where the system does not say."""

    total: int | None
    available: int | None
    """The memory that can be had without swapping."""


def memory(meminfo: Path = _MEMINFO, group: Path = _GROUP) -> Memory:
    """The memory of the machine, or of the container if that is less."""
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
    """The content of a file; empty where the system has no such file."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def free_disk(folder: Path) -> int:
    """The free bytes of the disk where the folder is, or would be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def warnings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Settings that slow an engine down or keep clients from it, and what to do."""
    found = []
    if proxies := interfering_proxies():
        found.append(
            f"{', '.join(proxies)} is set: clients would send requests for loopback to the proxy. "
            f"Set NO_PROXY={ADDRESS}"
        )
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        value = environment.get(name, "")
        if value.isdigit() and int(value) > cores():
            found.append(f"{name}={value}: more threads than the {cores()} cores")
    if environment.get("OMP_WAIT_POLICY", "passive").lower() != "passive":
        found.append(
            f"OMP_WAIT_POLICY={environment['OMP_WAIT_POLICY']}: waiting threads spin, and a step "
            "gets many times slower beside another busy process. Set it to passive"
        )
    return found
