"""A healthy engine in a process of its own, and one in this process that tests may break."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinker_conformance.target import Target
from tinker_local import start_engine
from tinker_local.server import Server, bind
from tinker_local.service.service import Settings, make_service
from tinker_local.service.torch_backend import TorchBackend

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this file
os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches a hub
os.environ["TINKER_TELEMETRY"] = "0"  # it holds up every error by a flush
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
TINY = "local/tiny"
KEY = "tml-conformance"


def pytest_configure(config: pytest.Config) -> None:
    """The SDK leaves the sockets of its configuration calls to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed (transport|<socket):ResourceWarning")


@pytest.fixture(scope="session")
def healthy(tmp_path_factory) -> Iterator[Target]:
    """`local/tiny` on an engine in a process of its own."""
    with start_engine(home=tmp_path_factory.mktemp("home")) as engine:
        yield Target(base_url=engine.base_url, api_key=engine.api_key, model=TINY)


@pytest.fixture(scope="session")
def breakable(tmp_path_factory) -> Iterator[Target]:
    """`local/tiny` on an engine in this process, whose code a test can replace."""
    listener = bind("127.0.0.1", 0)
    settings = Settings(home=tmp_path_factory.mktemp("breakable"), key=KEY)
    server = Server(make_service(settings, TorchBackend(threads=1)))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield Target(base_url=address, api_key=KEY, model=TINY)
    server.should_exit = True
    thread.join()
    listener.close()
