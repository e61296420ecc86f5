"""The order of one model's operations."""

from __future__ import annotations

from tinker_local.service.operation_queue import GAP_S, OperationQueue, Promise


def test_a_number_that_never_comes_is_skipped_in_the_end(caplog):
    queue, ran = OperationQueue(), []
    queue.queued[3] = (Promise(None), lambda: ran.append(3))
    queue.skip_gap(now=100.0)
    queue.skip_gap(now=100.0 + GAP_S)
    assert not queue.is_ready
    queue.skip_gap(now=101.0 + GAP_S)
    assert queue.is_ready
    assert "1 to 2 never came" in caplog.text
