"""One test for each check; needs `-p tinker_conformance.plugin`."""

from __future__ import annotations

import pytest

from tinker_conformance.check import Check
from tinker_conformance.checks import all_checks
from tinker_conformance.run.process import WorkerProcess


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_server(check: Check, tinker_worker: WorkerProcess) -> None:
    """The server has the property that the check claims, or refuses to offer it."""
    result = tinker_worker.run(check)
    if result.status == "not supported":
        pytest.skip(f"not supported: {result.what}")
    if result.status != "passed":
        pytest.fail(f"{result.status}: {result}", pytrace=False)
