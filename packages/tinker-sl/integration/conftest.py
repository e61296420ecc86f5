"""A real engine that can be killed and started again, behind a network that can fail."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import define, field

KEY = "tml-kills"


@define(eq=False)
class RestartableEngine:
    """`tinker-local serve` in a process of its own, on one home and one port in all its lives."""

    home: Path
    port: int
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        where = ["--port", str(self.port), "--home", str(self.home), "--threads", "1"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tinker_local", "serve", *where],
            env={**os.environ, "TINKER_LOCAL_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=(self.home / "engine.log").open("a"),
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("tinker-local serves ")

    def kill(self) -> None:
        """SIGKILL: nothing is said and nothing saved."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@define(eq=False)
class Network:
    """A TCP proxy that counts the messages in both directions, and loses one of them on purpose."""

    target_port: int
    seen: int = 0
    fail_at: int | None = None
    """The message that is lost, counting from 1; None loses none."""
    fail: Callable[[], None] = field(factory=lambda: lambda: None)
    """What happens then, while nothing gets through; all connections are gone after it."""
    port: int = 0
    _server: asyncio.Server | None = None
    has_failed: bool = False
    _down: bool = False
    _open: set[asyncio.StreamWriter] = field(factory=set)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.new_event_loop)

    def begin(self, fail_at: int | None, fail: Callable[[], None] = lambda: None) -> None:
        """Count from 0 again, and fail at this message."""
        self.seen, self.fail_at, self.fail, self.has_failed = 0, fail_at, fail, False

    def start(self) -> None:
        """Listen on a free port of loopback, in a thread of its own."""
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def close(self) -> None:
        """Lose all connections and stop listening."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        self._lose_connections()

    async def _connect(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        if self._down:
            answer.transport.abort()
            return
        try:
            engine, ask = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            answer.transport.abort()
            return
        self._open |= {answer, ask}
        await asyncio.gather(self._pump(client, ask), self._pump(engine, answer))
        self._open -= {answer, ask}

    async def _pump(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while (message := await source.read(1 << 20)) and not self._down:
                self.seen += 1
                if self.seen == self.fail_at:
                    await self._fail()
                    break
                to.write(message)
                await to.drain()
        except OSError:
            pass  # the other side is gone: so is this connection
        to.transport.abort()

    async def _fail(self) -> None:
        self._down = self.has_failed = True
        self._lose_connections()
        await asyncio.to_thread(self.fail)
        self._down = False

    def _lose_connections(self) -> None:
        for writer in self._open:
            writer.transport.abort()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartableEngine]:
    """A running engine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine = RestartableEngine(tmp_path_factory.mktemp("engine"), port)
    engine.start()
    yield engine
    engine.kill()


@pytest.fixture(scope="module")
def network(engine: RestartableEngine) -> Iterator[Network]:
    """The only way to the engine, which everything that connects takes."""
    network = Network(engine.port)
    network.start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TINKER_BASE_URL", f"http://127.0.0.1:{network.port}")
        environment.setenv("TINKER_API_KEY", KEY)
        environment.setenv("TINKER_TELEMETRY", "0")  # it holds up every error by a flush
        yield network
    network.close()
