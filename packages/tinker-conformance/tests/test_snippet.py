"""The program of a failure shows the failure."""

from __future__ import annotations

import contextlib
import io
import re

import pytest
from defects import DEFECTS

from tinker_conformance.checks import all_checks
from tinker_conformance.client.known import Known
from tinker_conformance.run.examine import examine

CHECKS = {check.id: check for check in all_checks()}
BY_NAME = {defect.name: defect for defect in DEFECTS}


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[-+]\d+)?", text)]


@pytest.mark.parametrize(
    "name",
    [
        "the_loss_is_a_mean",  # a loss
        "only_the_first_candidate_counts",  # (N, K) targets
        "csr_columns_are_ignored",  # sparse targets
        "the_reason_is_always_stop",  # samples
        "the_norm_is_reported_clipped",  # an optimizer step
        "lifetimes_are_dropped",  # a save and the REST client
        "every_optimizer_is_adam",  # an object of the SDK as an argument
        "images_are_dropped",  # an image in a prompt
        "images_are_padding",  # an image in a datum
        "repeated_submissions_run_again",  # a request without the SDK
        "loading_forgets_the_optimizer",  # a checkpoint
    ],
)
def test_the_program_prints_what_came(name, breakable, monkeypatch):
    defect = BY_NAME[name]
    defect.patch(monkeypatch)
    result = examine(CHECKS[defect.caught_by[0]], breakable, 30.0, Known())
    assert result.status == "failed"
    monkeypatch.setenv("TINKER_API_KEY", breakable.api_key)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(result.snippet, {})
    assert printed.getvalue().strip()
    if result.came[0] in "-[0123456789":
        assert numbers(printed.getvalue()) == pytest.approx(numbers(result.came), abs=2e-4)


def test_the_program_has_no_call_that_the_value_does_not_depend_on(breakable, monkeypatch):
    BY_NAME["the_reason_is_always_stop"].patch(monkeypatch)
    result = examine(CHECKS["draw/shape"], breakable, 30.0, Known())
    calls = [line for line in result.snippet.splitlines() if " = " in line]
    assert [line.split(" = ")[0] for line in calls] == ["service", "sampler", "samples"]
