"""The suite in pytest form: every check is a test.

pytest -p tinker_conformance.plugin --pyargs tinker_conformance.suite \\
    --tinker-base-url local --tinker-model local/tiny
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tinker_conformance.engine import serving
from tinker_conformance.run.process import WorkerProcess
from tinker_conformance.run.suite import TIMEOUT_S
from tinker_conformance.target import TOLERANCES, Target


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that name the server, as on the command line with `tinker` before them."""
    group = parser.getgroup("tinker", "the Tinker API server that is checked")
    group.addoption("--tinker-base-url", default=os.environ.get("TINKER_BASE_URL"))
    group.addoption("--tinker-api-key", default=os.environ.get("TINKER_API_KEY", "tml-local"))
    group.addoption("--tinker-model", default=None)
    group.addoption("--tinker-precision", choices=list(TOLERANCES), default="float32")
    group.addoption("--tinker-timeout", type=float, default=TIMEOUT_S)


@pytest.fixture(scope="session")
def tinker_worker(request: pytest.FixtureRequest) -> Iterator[WorkerProcess]:
    """The process that runs the checks."""
    config = request.config
    base_url, model = config.getoption("--tinker-base-url"), config.getoption("--tinker-model")
    if base_url is None or model is None:
        raise pytest.UsageError("--tinker-base-url and --tinker-model are needed: which server?")
    with serving(base_url, config.getoption("--tinker-api-key")) as (url, key):
        target = Target(
            base_url=url,
            api_key=key,
            model=model,
            precision=config.getoption("--tinker-precision"),
        )
        worker = WorkerProcess(target, config.getoption("--tinker-timeout"))
        yield worker
        worker.close()
