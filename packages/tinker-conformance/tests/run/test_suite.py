"""Runs of many checks: order, selection, and servers that hang, break or refuse."""

from __future__ import annotations

import pytest
from odd_servers import Babbling, Broken, Refusing, Silent, serving

from tinker_conformance.checks import all_checks
from tinker_conformance.run.suite import GIVE_UP, run_checks
from tinker_conformance.target import Target

CHECKS = {check.id: check for check in all_checks()}
SOME = [CHECKS[name] for name in ("loss/ppo", "draw/top_k", "rest/session", "loss/cross_entropy")]


def run_on(handler, checks, *, timeout=2.0, jobs=1):
    seen = []
    with serving(handler) as address:
        target = Target(base_url=address, api_key="tml-x", model="some/model")
        results = run_checks(target, checks, timeout=timeout, jobs=jobs, on_result=seen.append)
    assert sorted(r.check for r in seen) == sorted(r.check for r in results)
    return results


@pytest.mark.parametrize("handler", [Silent, Broken])
def test_a_server_that_gives_no_answer_fails_every_check(handler):
    results = run_on(handler, SOME)
    assert [result.check for result in results] == [check.id for check in SOME]
    assert {result.status for result in results} == {"failed"}
    assert all(result.timed_out for result in results)


def test_a_server_that_is_dead_is_not_asked_again_and_again():
    results = run_on(Silent, list(CHECKS.values()), timeout=1.0)
    assert {result.status for result in results} == {"failed"}
    assert all(result.came == "nothing in time" for result in results[:GIVE_UP])
    assert {result.what for result in results[GIVE_UP:]} == {"not run"}
    assert results[0].snippet.splitlines()[-1].startswith("model = service.create_lora")


def test_a_server_that_babbles_fails_with_what_the_sdk_says():
    for result in run_on(Babbling, SOME):
        assert result.status == "failed"
        assert "Error" in result.came


def test_a_refusal_is_no_failure_unless_every_server_needs_the_call():
    results = {result.check: result for result in run_on(Refusing, SOME)}
    assert results["loss/ppo"].status == "not supported"
    assert "not implemented" in results["loss/ppo"].what
    assert results["rest/session"].status == "not supported"
    required = results["loss/cross_entropy"]
    assert (required.status, required.timed_out) == ("failed", False)


def test_several_workers_give_the_results_in_the_order_of_the_checks(healthy):
    chosen = [check for check in CHECKS.values() if check.group in ("ttl", "image")]
    results = run_checks(healthy, chosen, jobs=2)
    assert [result.check for result in results] == [check.id for check in chosen]
    assert {result.status for result in results} == {"passed"}
