"""The harness: runs a program in one process and its tests in another. Standard library only.

It reads an order from standard input and prints the token with a verdict. The process of the
program is forked before the order is read, so that it never holds the tests or the token. Values
cross as JSON; what is no plain value stays with the program and is a `Handle` for the tests.
"""

import ast
import builtins
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import tempfile
import traceback
from typing import Any

SHOWN = 2_000
MAX_MESSAGE = 64 << 20
NOBODY = 1_879_048_192
SAFE = {"math", "cmath", "re", "string", "itertools", "functools", "operator", "collections"}
SAFE |= {"heapq", "bisect", "statistics", "copy", "datetime", "decimal", "fractions", "typing"}
"""Modules that the tests may use because the program imports them."""


class ProgramError(Exception):
    """An error of the program that is no built-in exception, or an answer that is no value."""


class Channel:
    """Messages over a socket."""

    serving: bool

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.handles: list[Any] = []

    def send(self, message: Any) -> None:
        """Send JSON data."""
        data = json.dumps(message).encode()
        self.connection.sendall(struct.pack(">I", len(data)) + data)

    def receive(self) -> Any:
        """The next message; EOFError at the end."""
        (length,) = struct.unpack(">I", self._read(4))
        if length > MAX_MESSAGE:
            raise ProgramError("the answer is too long")
        return json.loads(self._read(length))

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self.connection.recv(min(1 << 20, length - len(data)))
            if not part:
                raise EOFError("the program ended")
            data += part
        return data

    def encode(self, value: Any) -> Any:  # noqa: C901  # one branch for each kind of value
        """A value as JSON data. Subclasses become plain values."""
        if value is None or isinstance(value, bool):
            return value
        for kind in (int, float, str):
            if isinstance(value, kind):
                return kind(value)
        for sequence, name in ((list, "l"), (tuple, "t"), (frozenset, "fs"), (set, "s")):
            if isinstance(value, sequence):
                return {name: [self.encode(item) for item in value]}
        if isinstance(value, dict):
            return {"d": [[self.encode(k), self.encode(v)] for k, v in value.items()]}
        if isinstance(value, bytes | bytearray):
            return {"b" if isinstance(value, bytes) else "ba": value.hex()}
        if isinstance(value, complex):
            return {"c": [value.real, value.imag]}
        if isinstance(value, range):
            return {"r": [value.start, value.stop, value.step]}
        if isinstance(value, Handle):
            return {"theirs": value._number}
        self.handles.append(value)
        return {"h": len(self.handles) - 1}

    def decode(self, data: Any) -> Any:  # noqa: C901  # one branch for each kind of value
        """The value of JSON data."""
        if not isinstance(data, dict):
            if isinstance(data, list):
                raise ProgramError("not a value")
            return data
        ((name, inner),) = data.items()
        if name == "d":
            return {self.decode(k): self.decode(v) for k, v in inner}
        makers = {"l": list, "t": tuple, "s": set, "fs": frozenset}
        if name in makers:
            return makers[name]([self.decode(item) for item in inner])
        if name in ("b", "ba"):
            return (bytes if name == "b" else bytearray).fromhex(inner)
        if name == "c":
            return complex(*inner)
        if name == "r":
            return range(*inner)
        if name == "theirs":
            return self.handles[inner]
        return Handle(self, int(inner))

    def ask(self, operation: str, *arguments: Any) -> Any:
        """The answer of the program; calls of our functions are served until it comes."""
        self.send([operation, [self.encode(argument) for argument in arguments]])
        while True:
            kind, *rest = self.receive()
            if kind == "value":
                for ours, changed in zip(arguments[2:3] and arguments[1], rest[1], strict=False):
                    update(ours, self.decode(changed))
                return self.decode(rest[0])
            if kind == "raise":
                error: Any = getattr(builtins, str(rest[0]), None)
                known = isinstance(error, type) and issubclass(error, Exception)
                text = str(rest[1])
                raise (
                    error(text) if known and error is not UnicodeDecodeError else ProgramError(text)
                )
            function, args = self.handles[rest[0]], self.decode(rest[1])
            try:
                self.send(["value", self.encode(function(*args))])
            except Exception as failure:  # noqa: BLE001  # whatever the program or its tests raise
                self.send(["raise", type(failure).__name__, str(failure)])


class Handle:
    """An object that stays in the other process. It never equals a plain value."""

    def __init__(self, channel: Any, number: int) -> None:
        self._channel, self._number = channel, number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._channel.serving:
            return self._channel.call_back(self._number, args)
        return self._channel.ask("call", self, list(args), kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._channel.ask("get", self, name)

    def __len__(self) -> int:
        return int(self._channel.ask("len", self))

    def __bool__(self) -> bool:
        return self._channel.ask("bool", self) is True

    def __getitem__(self, key: Any) -> Any:
        return self._channel.ask("item", self, key)

    def __iter__(self) -> Any:
        return iter(self._channel.ask("list", self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self._channel.ask("eq", self, other) is True

    __hash__ = None  # type: ignore[assignment]  # as in every class with its own equality


def update(ours: Any, changed: Any) -> None:
    """Carry what the program did to a list, set or dict over to ours."""
    if type(ours) is type(changed) and ours != changed:
        if isinstance(ours, list):
            ours[:] = changed
        elif isinstance(ours, dict | set):
            ours.clear()
            ours.update(changed)


OPERATIONS: dict[str, Any] = {
    "call": lambda f, args, kwargs: f(*args, **kwargs),
    "get": getattr,
    "len": len,
    "bool": bool,
    "item": lambda value, key: value[key],
    "list": list,
    "eq": lambda a, b: a == b,
}


class Guest(Channel):
    """The side of the program."""

    serving = True

    def call_back(self, number: int, args: Any) -> Any:
        """Call a function of the tests."""
        self.send(["back", number, self.encode(list(args))])
        kind, *rest = self.receive()
        if kind == "raise":
            raise ProgramError(rest[1])
        return self.decode(rest[0])

    def serve(self) -> None:
        """Run the program, then answer the tests."""
        program = self.receive()
        space: dict[str, Any] = {"__name__": "__main__"}
        try:
            exec(compile(program, "program.py", "exec"), space)
        except BaseException:  # noqa: BLE001  # whatever the program or its tests raise
            self.send(["failed", traceback.format_exc(limit=-3)[-SHOWN:]])
            return
        sys.stdout.flush()
        names = {n: v for n, v in space.items() if n != "__builtins__"}
        self.send(["finished", {n: self.encode_name(v) for n, v in names.items()}])
        while True:
            operation, sent = self.receive()
            try:
                arguments = [self.decode(item) for item in sent]
                value = self.encode(OPERATIONS[operation](*arguments))
                mutable = arguments[1] if operation == "call" else []
                self.send(["value", value, [self.encode(item) for item in mutable]])
            except Exception as error:  # noqa: BLE001  # whatever the program or its tests raise
                self.send(["raise", type(error).__name__, str(error)[:SHOWN]])

    def encode_name(self, value: Any) -> Any:
        """A name of the program; one that cannot be sent is a handle."""
        try:
            return self.encode(value)
        except Exception:  # noqa: BLE001  # whatever the program or its tests raise
            self.handles.append(value)
            return {"h": len(self.handles) - 1}


class Judge(Channel):
    """The side of the tests."""

    serving = False

    def verdict(self, order: dict[str, Any]) -> dict[str, Any]:
        """Run the program and its tests."""
        try:
            self.send(order["program"])
            kind, found = self.receive()
            if kind != "finished":
                return {"finished": False, "passed": False, "error": str(found)[-SHOWN:]}
            proxies = {str(name): self.decode(value) for name, value in found.items()}
        except Exception as error:  # noqa: BLE001  # whatever the program or its tests raise
            text = f"{type(error).__name__}: {error}"
            return {"finished": False, "passed": False, "error": text[-SHOWN:]}
        if order["tests"] is None:
            return {"finished": True, "passed": False, "error": ""}
        space = {n: v for n, v in proxies.items() if not hasattr(builtins, n)}
        space |= {**safe_imports(order["program"]), "__name__": "__tests__"}
        try:
            exec(compile(order["setup"], "setup.py", "exec"), space)
            space |= {name: proxies[name] for name in order["names"] if name in proxies}
            exec(compile(order["tests"], "tests.py", "exec"), space)
        except BaseException as error:  # noqa: BLE001  # whatever the program or its tests raise
            return {"finished": True, "passed": False, "error": explain(error, order["tests"])}
        return {"finished": True, "passed": True, "error": ""}


def safe_imports(program: str) -> dict[str, Any]:
    """The modules and functions of `SAFE` that the program imports and does not define again."""
    body = ast.parse(program).body
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    space: dict[str, Any] = {}
    for node in body:
        modules = {alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "asname")}
        if isinstance(node, ast.ImportFrom):
            modules = {node.module}
        if isinstance(node, ast.Import | ast.ImportFrom) and modules <= SAFE:
            exec(compile(ast.Module([node], []), "imports.py", "exec"), space)
    return {n: v for n, v in space.items() if n not in defined and n != "__builtins__"}


def explain(error: BaseException, tests: str) -> str:
    """The error, and the line of the tests that raised it."""
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == "tests.py"
    ]
    source = tests.splitlines()
    shown = source[lines[-1] - 1].strip() if lines and lines[-1] <= len(source) else ""
    return f"{type(error).__name__}: {error}\n{shown}"[-SHOWN:]


def start_guest(connection: socket.socket, output: int) -> None:
    """Fork the process of the program."""
    child = os.fork()
    if child:
        return
    separate()
    if os.fork():  # a new PID namespace begins with the next child
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.closerange(0, 64)
        os.wait()
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(fd, target)
    os.dup2(connection.fileno(), 3)
    os.closerange(4, 64)
    try:
        Guest(socket.socket(fileno=3)).serve()
    finally:
        os._exit(1)


def separate() -> None:
    """Leave the judge's PID namespace and its privileges; without namespaces, its user."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if libc.unshare(0x1000_0000 | 0x2000_0000 | 0x0800_0000) == 0:
        header, nothing = (ctypes.c_uint32 * 2)(0x2008_0522, 0), (ctypes.c_uint32 * 6)()
        libc.capset(header, nothing)
    elif os.geteuid() == 0:
        os.chdir(tempfile.mkdtemp())
        os.chown(".", NOBODY, NOBODY)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def main() -> None:
    """Judge one order."""
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile(dir=".") as output:
        start_guest(theirs, output.fileno())
        theirs.close()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: nobody reads our memory
        order = json.load(sys.stdin)
        verdict = Judge(ours).verdict(order)
        end = output.seek(0, os.SEEK_END)
        output.seek(max(0, end - SHOWN))
        verdict["output"] = output.read().decode(errors="replace")
    print(order["token"] + json.dumps(verdict), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
