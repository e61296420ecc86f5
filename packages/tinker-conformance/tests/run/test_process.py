"""The worker process: what it leaves behind when a check ends it."""

from __future__ import annotations

import os
import signal

from tinker_conformance.checks import all_checks
from tinker_conformance.run.process import WorkerProcess

CHECKS = {check.id: check for check in all_checks()}


def test_a_worker_that_dies_is_a_failure_and_the_next_check_has_a_new_one(healthy):
    worker = WorkerProcess(healthy, 30.0)
    check = CHECKS["ttl/none"]
    assert worker.run(check).status == "passed"
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.wait()
    assert worker.run(check).status == "failed"
    assert worker.run(check).status == "passed"
    worker.close()


def test_a_worker_keeps_what_it_measured_for_the_next_checks(healthy):
    worker = WorkerProcess(healthy, 30.0)
    results = [worker.run(CHECKS[name]) for name in ("gradient/ppo", "gradient/cispo")]
    worker.close()
    assert [result.status for result in results] == ["passed", "passed"]


def test_closing_twice_is_fine(healthy):
    worker = WorkerProcess(healthy, 1.0)
    worker.close()
    worker.close()
