"""Every defect of the kept list is caught by the check that it names."""

from __future__ import annotations

import pytest
from defects import DEFECTS

from tinker_conformance.checks import all_checks
from tinker_conformance.client.known import Known
from tinker_conformance.run.examine import examine

CHECKS = {check.id: check for check in all_checks()}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_is_caught(defect, breakable, monkeypatch):
    defect.patch(monkeypatch)
    for name in defect.caught_by:
        result = examine(CHECKS[name], breakable, 30.0, Known())
        assert result.status == "failed", result
        assert result.snippet


def test_the_engine_passes_the_same_checks_without_the_defects(breakable):
    named = sorted({name for defect in DEFECTS for name in defect.caught_by})
    known = Known()
    results = [examine(CHECKS[name], breakable, 30.0, known) for name in named]
    assert [str(result) for result in results if result.status != "passed"] == []


def test_the_list_is_long():
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) >= 20
