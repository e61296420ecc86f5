"""Runs in the sandbox's process, without our packages: limits first, then the program."""

import json
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000  # of linux/sched.h; os.unshare is 3.12's


def limit(cpu: int, memory: int, file: int) -> None:
    """Set what cannot be raised again."""
    import resource

    for kind, bound in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (bound, bound))


def cut_network() -> bool:
    """Move to a network of its own, with no way out of it; False where the system forbids that."""
    import ctypes

    try:
        unshare = ctypes.CDLL(None).unshare
    except AttributeError:  # not Linux
        return False
    return bool(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)


def main() -> None:
    """Say the token only where the program came to its end; an early exit does not.

    It is also said before the program begins, where the network was to be cut and is not.
    """
    order = json.load(sys.stdin)
    cut = order["network"] == "open" or cut_network()
    if not cut:
        print(order["token"], flush=True)
    if not cut and order["network"] == "cut":
        return
    limit(order["cpu"], order["memory"], order["file"])
    exec(compile(order["program"], "program.py", "exec"), {"__name__": "__main__"})
    print("\n" + order["token"], flush=True)


if __name__ == "__main__":
    main()
