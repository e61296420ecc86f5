"""The process of a `ProcessPool`: it loads one function and calls it until the pipe is closed.

It runs as a script, so that nothing of this package is imported.
"""

import contextlib
import importlib
import importlib.util
import os
import pickle
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


def load(name: str) -> Callable[..., Any]:
    """The function of `package.module:function` or `/path/to/file.py:function`."""
    module, _, function = name.rpartition(":")
    if not module.endswith(".py"):
        return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]
    spec = importlib.util.spec_from_file_location("process_pool_function", module)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{module} is not a Python file")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, function)  # type: ignore[no-any-return]


def limit_memory(size: int) -> None:
    """Let an allocation fail in this process before it fills the machine."""
    if sys.platform == "linux":  # elsewhere the limit has no effect or cannot be set
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def limit_cpu(seconds: float) -> None:
    """Let the kernel end a call that outlives the parent."""
    used = sum(os.times()[:2])
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + 2 * seconds) + 2, hard))


def outcome(function: Callable[..., Any], *arguments: Any) -> bytes:
    """A pair, pickled: True and the result, or False and the error."""
    try:
        return pickle.dumps((True, function(*arguments)))
    except Exception as error:  # noqa: BLE001  # the parent raises it
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001  # an error that does not survive pickling
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return pickle.dumps((False, error))


def serve(pipe: Connection) -> None:
    """Answer each tuple of arguments with the function's result."""
    name, path, memory, seconds = pipe.recv()
    os.dup2(2, 1)  # what the function prints must not go to the parent's output
    sys.path[:] = path
    limit_memory(memory)
    functions: list[Callable[..., Any]] = []
    pipe.send_bytes(outcome(lambda: functions.append(load(name))))
    while True:
        arguments = pipe.recv()
        limit_cpu(seconds)
        pipe.send_bytes(outcome(functions[0], *arguments))


if __name__ == "__main__":
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent has ended
        serve(Connection(int(sys.argv[1])))
