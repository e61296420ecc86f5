"""The local jail: a script that runs `main.py` in new namespaces with limits.

    python -I -S jail.py order.json report.json

It needs the standard library only. The order names files and limits. Where the system has no user
namespaces, main.py runs with limits only. The report says which of the two
happened, the exit status and whether the time ran out.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
NAMESPACES = 0x1000_0000 | 0x2000_0000 | 0x0002_0000 | 0x4000_0000 | 0x0800_0000 | 0x0400_0000
"""User, PID, mount, network, IPC and UTS (linux/sched.h)."""
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 4096, 16384, 1 << 18, 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
MOUNT_SETATTR, AT_RECURSIVE = 442, 0x8000
NOBODY = 1_879_048_192
"""The user of programs where the caller is root: one that owns nothing."""
VISIBLE = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def checked(name: str, *arguments: Any) -> None:
    """Call a function of the C library; OSError if it fails."""
    if getattr(LIBC, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def main() -> None:
    """Run the order, and report."""
    with open(sys.argv[1]) as file:
        order = json.load(file)
    if sys.platform == "linux":
        checked("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        checked("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child, problem = start_isolated(order)
    if child is None:
        child = start_plain(order)
    end, timed_out = time.monotonic() + order["seconds"], False
    while (found := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > end:
            timed_out = True
            break
        time.sleep(0.002)
    status = -signal.SIGKILL if timed_out else os.waitstatus_to_exitcode(found[1])
    kill_descendants(child)
    report = {"isolated": problem is None, "problem": problem}
    with open(sys.argv[2], "w") as file:
        json.dump({**report, "status": status, "timed_out": timed_out}, file)


def start_isolated(order: dict[str, Any]) -> tuple[int | None, str | None]:
    """A process in new namespaces, or None and the reason."""
    if sys.platform != "linux" or not order["isolate"]:
        return None, "turned off" if sys.platform == "linux" else "namespaces need Linux"
    (ready, say_ready), (mapped, say_mapped) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        enter_namespaces(order, say_ready, mapped)
    os.close(say_ready)
    outer = os.geteuid() or NOBODY
    try:
        if os.read(ready, 1) == b"n":
            with open(f"/proc/{child}/setgroups", "w") as file:
                file.write("deny")
            for name in ("uid_map", "gid_map"):
                group = os.getegid() or NOBODY
                with open(f"/proc/{child}/{name}", "w") as file:
                    file.write(f"0 {outer if name == 'uid_map' else group} 1")
            os.write(say_mapped, b"m")
            if os.read(ready, 1) == b"r":
                return child, None
        problem = os.read(ready, 500).decode(errors="replace") or "no namespaces"
    except OSError as error:
        problem = str(error)
    finally:
        os.close(ready)
    kill_descendants(child)
    return None, problem


def enter_namespaces(order: dict[str, Any], say_ready: int, mapped: int) -> None:
    """The outer of the two processes: it makes the namespaces and waits for the inner one."""
    try:
        checked("unshare", NAMESPACES)
        os.write(say_ready, b"n")
        os.read(mapped, 1)
        first = os.fork()
        if first == 0:
            isolated(order, say_ready)
        os.close(say_ready)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xFF)
    except OSError as error:
        os.write(say_ready, b"x" + str(error).encode())
    os._exit(1)


def isolated(order: dict[str, Any], say_ready: int) -> None:
    """The first process of the namespaces: when it ends, the kernel ends all others."""
    try:
        with open("/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("1")  # for the harness; with more, a program could mount what it likes
        enter_root(order)
        checked("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        execute(order, say_ready)
    except OSError as error:
        os.write(say_ready, b"x" + str(error).encode())
    os._exit(1)


def enter_root(order: dict[str, Any]) -> None:
    """Move to a root of our own: system folders to read, and a folder with a limit on its size."""
    sources = [path for path in (*VISIBLE, *DEVICES, *order["visible"]) if os.path.exists(path)]
    opened = {path: os.open(path, os.O_PATH) for path in sources if not os.path.islink(path)}
    links = {path: os.readlink(path) for path in sources if os.path.islink(path)}
    folders = {path for path in opened if os.path.isdir(path)}
    checked("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    size = f"size={order['disk']},nr_inodes=10000,mode=755,uid=0,gid=0"
    checked("mount", b"tmpfs", order["root"].encode(), b"tmpfs", 0, size.encode())
    os.chdir(order["root"])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    for path, fd in opened.items():
        target = "." + path
        os.makedirs(target if path in folders else os.path.dirname(target), exist_ok=True)
        if path not in folders:
            os.close(os.open(target, os.O_CREAT))
        source = f"/proc/self/fd/{fd}".encode()
        checked("mount", source, target.encode(), None, MS_BIND | MS_REC, None)
        if path not in DEVICES:
            read_only = (ctypes.c_uint64 * 4)(1, 0, 0, 0)
            call = (MOUNT_SETATTR, -100, target.encode(), AT_RECURSIVE, read_only, 32)
            checked("syscall", *call)
        os.close(fd)
    for path, link in links.items():
        os.symlink(link, "." + path)
    for folder in ("/tmp", "/work"):
        os.makedirs("." + folder)
    checked("pivot_root", b".", b".")
    checked("umount2", b".", MNT_DETACH)
    os.chdir("/work")


def start_plain(order: dict[str, Any]) -> int:
    """A process with limits only."""
    child = os.fork()
    if child == 0:
        os.chdir(order["root"])
        execute(order, None)
    return child


def execute(order: dict[str, Any], say_ready: int | None) -> None:
    """Write the files, set the limits, and become main.py."""
    for name, text in order["files"].items():
        with open(name, "w") as file:
            file.write(text)
    if sys.platform == "linux":
        checked("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    processes = order["processes"] + (4 if say_ready else user_processes())
    for kind, bound in (
        (resource.RLIMIT_CPU, int(order["seconds"]) + 1),
        (resource.RLIMIT_AS, order["memory"]),
        (resource.RLIMIT_FSIZE, order["disk"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (bound, bound))
    if say_ready is not None:
        os.write(say_ready, b"r")
    os.closerange(3, 64)
    os.execve(sys.executable, [sys.executable, "-I", "-S", "main.py"], {"PATH": os.defpath})


def user_processes() -> int:
    """Number of the user's processes and threads, which the limit without namespaces includes."""
    if not os.path.isdir("/proc/self"):
        return 1_000
    return 4 + sum(
        len(os.listdir(f"/proc/{name}/task")) if os.path.isdir(f"/proc/{name}/task") else 0
        for name in os.listdir("/proc")
        if name.isdigit()
    )


def kill_descendants(child: int) -> None:
    """Kill the child and, as their subreaper, every process that it left behind."""
    while True:
        for pid in {child, *children()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children() -> list[int]:
    """The children of this process."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        try:
            with open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == os.getpid():
            found.append(int(name))
    return found


if __name__ == "__main__":
    main()
