"""A run asks every problem, believes no failure, forgets no answer, and counts what went wrong."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import tinker
from attrs import evolve
from tinker import types

from tinker_core import ConfigError, DataError, EngineError, RunDirectoryError
from tinker_evals import (
    Grade,
    GradingError,
    Item,
    JsonlFile,
    Model,
    Sampling,
    Settings,
    Task,
    TaskResult,
    graders,
    run_task,
)

Make = Callable[..., Model]


def read(row: Mapping[str, Any], number: int) -> Item:
    a, b = row["a"], row["b"]
    return Item(
        id=f"{a}+{b}",
        prompt=f"{a}+{b}=?",
        target=str(a + b),
        solution=f"#### {a + b}",
        cluster=row.get("cluster"),
        group=f"{a} first",
    )


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Sums of two digits: 0+0 to 4+4."""
    rows = [{"a": a, "b": b} for a in range(5) for b in range(5)]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Task(name="sums", summary="", source=JsonlFile(file), read=read, grader=graders.hashes)


def run(task: Task, model: Model, settings: Settings | None = None, **more: Any) -> TaskResult:
    async def no_pause(seconds: float) -> None:
        await asyncio.sleep(0)

    return asyncio.run(run_task(task, model, settings, pause=no_pause, **more))


def asked(model: Model) -> list[str]:
    """The sums that were asked, in order."""
    return [re.findall(r"(\d\+\d)=", text)[-1] for text in model.client.asked]  # type: ignore[attr-defined]


def right(text: str, number: int) -> str:
    a, b = re.findall(r"(\d)\+(\d)=", text)[-1]
    return f"#### {int(a) + int(b)}"


def test_every_problem_is_asked_once_and_graded(task: Task, scripted: Make) -> None:
    model = scripted(lambda text, n: right(text, n) if "2+" in text else "I think #### 1")
    result = run(task, model)
    assert sorted(asked(model)) == sorted(f"{a}+{b}" for a in range(5) for b in range(5))
    # all five sums with a 2 first are right; of the others 0+1 and 1+0 are 1
    assert result.summary.scores["strict"].value == pytest.approx(7 / 25)
    assert result.complete
    assert result.summary.counts["answered"] == 25


def test_the_order_of_a_result_is_that_of_the_data(task: Task, scripted: Make) -> None:
    async def shuffled() -> TaskResult:
        return await run_task(task, scripted(right), Settings(concurrency=7))

    one = asyncio.run(shuffled()).summary
    assert one == run(task, scripted(right), Settings(concurrency=1)).summary


@pytest.mark.parametrize("concurrency", [1, 4])
def test_requests_are_out_together_up_to_the_bound(
    task: Task, scripted: Make, concurrency: int
) -> None:
    model = scripted(right)
    run(task, model, Settings(concurrency=concurrency))
    assert model.client.most_open == concurrency  # type: ignore[attr-defined]


def test_what_went_wrong_is_counted_apart(task: Task, scripted: Make) -> None:
    def script(text: str, number: int) -> str:
        if "0+" in text:
            return "Let me count: " + "1, " * 60
        if "1+" in text:
            return "I'm sorry, I can't help with that."
        if "2+" in text:
            return "That is hard to say."
        return right(text, number)

    result = run(task, scripted(script), Settings(sampling=Sampling(max_tokens=40)))
    counts = result.summary.counts
    assert (counts["truncated"], counts["refused"], counts["unparsed"]) == (5, 5, 5)
    assert counts["answered"] == 10
    assert result.summary.headline.value == pytest.approx(10 / 25)
    assert result.metrics()["truncated_share"] == pytest.approx(5 / 25)


def test_strict_and_lenient_stand_side_by_side(task: Task, scripted: Make) -> None:
    result = run(task, scripted(lambda text, n: right(text, n).replace("####", "It is")))
    assert result.summary.scores["strict"].value == 0
    assert result.summary.scores["lenient"].value == 1


BUSY = tinker.RequestFailedError("busy", "r", types.RequestErrorCategory.Server)
TOO_LONG = tinker.RequestFailedError("too long", "r", types.RequestErrorCategory.User)


def failing(error: Exception, times: int, what: str = "3+3") -> Callable[[str, int], Any]:
    left = [times]

    def script(text: str, number: int) -> str | Exception:
        if what in text and left[0] > 0:
            left[0] -= 1
            return error
        return right(text, number)

    return script


def test_a_failure_is_tried_again(task: Task, scripted: Make) -> None:
    model = scripted(failing(BUSY, times=2))
    result = run(task, model)
    assert result.complete
    assert result.summary.headline.value == 1
    assert asked(model).count("3+3") == 3


def test_a_failure_that_lasts_is_no_wrong_answer(task: Task, scripted: Make) -> None:
    result = run(task, scripted(failing(BUSY, times=99)))
    assert list(result.errored) == ["3+3"]
    assert "busy" in result.errored["3+3"]
    assert (result.summary.headline.value, result.summary.headline.n) == (1.0, 24)
    assert result.metrics()["errored_items"] == 1


def test_what_would_fail_again_is_not_tried_again(task: Task, scripted: Make) -> None:
    model = scripted(failing(TOO_LONG, times=99))
    assert not run(task, model).complete
    assert asked(model).count("3+3") == 1


def test_a_grader_that_fails_is_tried_again_too(task: Task, scripted: Make) -> None:
    class Judge:
        name, version, calls = "judge", 1, 0

        async def grade(self, reply: str, item: Item) -> Grade:
            Judge.calls += 1
            if Judge.calls == 1:
                raise GradingError("the judge is away")
            return Grade(scores={"judged": 1.0})

    assert run(evolve(task, grader=Judge()), scripted(right)).complete
    assert Judge.calls == 26


def test_a_grader_that_is_wrong_stops_the_run(task: Task, scripted: Make) -> None:
    class Broken:
        name, version = "broken", 1

        async def grade(self, reply: str, item: Item) -> Grade:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(evolve(task, grader=Broken()), scripted(right))


def test_an_engine_that_only_fails_is_given_up(tmp_path: Path, scripted: Make, task: Task) -> None:
    file = tmp_path / "many.jsonl"
    file.write_text("".join(f'{{"a": {a}, "b": {b}}}\n' for a in range(10) for b in range(10)))
    model = scripted(BUSY)
    with pytest.raises(EngineError, match=r"32 problems in a row failed.*busy"):
        run(task, model, Settings(concurrency=8), source=JsonlFile(file))
    assert len(set(asked(model))) < 100


def test_failures_here_and_there_end_no_run(tmp_path: Path, scripted: Make, task: Task) -> None:
    file = tmp_path / "many.jsonl"
    file.write_text("".join(f'{{"a": {a}, "b": {b}}}\n' for a in range(10) for b in range(10)))
    model = scripted(
        lambda text, n: (
            TOO_LONG
            if "4=" in text or "7=" in text
            else BUSY
            if "5=" in text or "6=" in text
            else right(text, n)
        )
    )
    result = run(task, model, Settings(concurrency=1), source=JsonlFile(file))
    assert (len(result.errored), result.summary.headline.n) == (40, 60)


def test_a_key_that_is_refused_ends_the_run_at_once(task: Task, scripted: Make) -> None:
    import httpx

    response = httpx.Response(401, request=httpx.Request("POST", "http://x"))
    model = scripted(tinker.AuthenticationError("no key", response=response, body=None))
    with pytest.raises(EngineError, match="refuses"):
        run(task, model, Settings(concurrency=1))
    assert len(asked(model)) == 1


def test_answers_are_not_asked_for_again(task: Task, scripted: Make, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(task, scripted(right), folder=folder)
    again = scripted("nobody asks")
    result = run(task, again, folder=folder)
    assert asked(again) == []
    assert result.summary.headline.value == 1


def test_failures_are_asked_for_again(task: Task, scripted: Make, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(task, scripted(failing(BUSY, times=99)), folder=folder)
    again = scripted(right)
    result = run(task, again, folder=folder)
    assert asked(again) == ["3+3"]
    assert result.complete
    assert result.summary == run(task, scripted(right)).summary


def test_a_killed_run_goes_on_where_it_was(task: Task, scripted: Make, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(task, scripted(right), Settings(concurrency=1), folder=folder)
    file = folder / "samples.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:10]) + lines[10][:30])  # torn in the middle of a line
    again = scripted(right)
    result = run(task, again, folder=folder)
    assert len(asked(again)) == 15
    assert result.summary == run(task, scripted(right)).summary
    third = scripted("nobody asks")
    run(task, third, folder=folder)
    assert asked(third) == []
    assert len(file.read_text().splitlines()) == 25


def test_an_answer_is_on_disk_before_the_next_problem_is_done(
    task: Task, scripted: Make, tmp_path: Path
) -> None:
    seen = []
    file = tmp_path / "run" / "samples.jsonl"
    run(
        task,
        scripted(right),
        Settings(concurrency=1),
        folder=file.parent,
        watch=lambda tally: seen.append((tally.finished, len(file.read_text().splitlines()))),
    )
    assert seen == [(n, n) for n in range(1, 26)]


def test_another_models_answers_are_not_taken_for_its_own(
    task: Task, scripted: Make, tmp_path: Path
) -> None:
    run(task, scripted(right, name="one"), folder=tmp_path / "run")
    with pytest.raises(RunDirectoryError, match="model: 'one' != 'two'"):
        run(task, scripted(right, name="two"), folder=tmp_path / "run")


def test_other_settings_do_not_go_on_with_old_answers(
    task: Task, scripted: Make, tmp_path: Path
) -> None:
    run(task, scripted(right), folder=tmp_path / "run")
    warm = Settings(sampling=Sampling(temperature=0.7))
    with pytest.raises(RunDirectoryError, match=r"sampling.temperature"):
        run(task, scripted(right), warm, folder=tmp_path / "run")


def test_a_run_may_go_on_with_more_problems_and_more_samples(
    task: Task, scripted: Make, tmp_path: Path
) -> None:
    sampling = Sampling(temperature=1.0)
    folder = tmp_path / "run"
    run(task, scripted(right), Settings(sampling=sampling, limit=5), folder=folder)
    more = scripted(right)
    run(task, more, Settings(sampling=sampling, limit=10), folder=folder)
    assert len(asked(more)) == 5
    twice = scripted(right)
    result = run(task, twice, Settings(sampling=sampling, limit=10, samples=3), folder=folder)
    assert len(asked(twice)) == 10
    assert result.summary.counts["answered"] == 30
    seeds = {params.seed for model in (more, twice) for params in model.client.params}  # type: ignore[attr-defined]
    assert len(seeds) == 15


def test_fewer_problems_are_some_of_the_same(task: Task, scripted: Make) -> None:
    few, more = scripted(right), scripted(right)
    run(task, few, Settings(limit=4))
    run(task, more, Settings(limit=9))
    assert set(asked(few)) < set(asked(more))
    assert len(set(asked(few))) == 4


def test_fewer_problems_are_spread_over_the_data(task: Task, scripted: Make) -> None:
    model = scripted(right)
    run(task, model, Settings(limit=10))
    assert len({problem[0] for problem in asked(model)}) >= 4  # of the five first numbers


def test_several_samples_give_pass_at_k(task: Task, scripted: Make) -> None:
    model = scripted(lambda text, n: right(text, n) if n == 0 else "#### 99")
    settings = Settings(samples=4, sampling=Sampling(temperature=1.0))
    summary = run(task, model, settings).summary
    assert summary.headline.value == pytest.approx(1 / 4)
    chances = {k: estimate.value for k, estimate in summary.pass_at.items()}
    assert chances == pytest.approx({1: 1 / 4, 2: 1 / 2, 4: 1.0})


def test_items_of_one_cluster_widen_the_interval(
    task: Task, scripted: Make, tmp_path: Path
) -> None:
    rows = [{"a": a, "b": b, "cluster": f"passage {a}"} for a in range(5) for b in range(5)]
    file = tmp_path / "clustered.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def by_passage(text: str, number: int) -> str:
        return right(text, number) if re.search(r"[01]\+\d=", text) else "#### 99"

    alone = run(task, scripted(by_passage)).summary.headline
    shared = run(task, scripted(by_passage), source=JsonlFile(file)).summary.headline
    assert shared.value == alone.value
    assert shared.standard_error > 2 * alone.standard_error
    assert shared.high - shared.low > 1.5 * (alone.high - alone.low)


def test_groups_have_scores_of_their_own(task: Task, scripted: Make) -> None:
    model = scripted(lambda text, n: right(text, n) if "2+" in text else "#### 99")
    groups = run(task, model).summary.groups
    assert groups["2 first"].value == 1.0
    assert groups["3 first"].value == 0.0


def test_a_result_says_what_it_depends_on(task: Task, scripted: Make, tmp_path: Path) -> None:
    task = evolve(task, instruction="End with a line `#### number`.")
    run(task, scripted(right, name="tinker://x"), folder=tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    setup = result["setup"]
    assert setup["model"] == "tinker://x"
    assert setup["renderer"] == "chatml_plain"
    assert setup["grader"] == "hashes 1"
    assert setup["data"] == "file:sums.jsonl"
    assert setup["sampling"]["max_tokens"] == 2048
    assert setup["prompt"]["first"] == [
        {"role": "user", "content": "0+0=?\n\nEnd with a line `#### number`."}
    ]


def test_a_data_row_that_lacks_a_field_is_named(task: Task, scripted: Make, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"a": 1, "b": 1}\n{"a": 1}\n')
    with pytest.raises(DataError, match=r"bad.jsonl:2.*'b'"):
        run(task, scripted(right), source=JsonlFile(tmp_path / "bad.jsonl"))


def test_an_id_that_occurs_twice_is_refused(task: Task, scripted: Make, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"a": 1, "b": 1}\n' * 2)
    with pytest.raises(DataError, match="twice"):
        run(task, scripted(right), source=JsonlFile(tmp_path / "bad.jsonl"))


def test_a_reply_is_kept_within_the_models_context(task: Task, scripted: Make) -> None:
    model = scripted(right)
    asked_one = [{"role": "user", "content": "0+0=?"}]
    prompt = model.renderer.build_generation_prompt(asked_one).length
    run(task, evolve(model, context_length=prompt + 20), Settings(limit=3))
    assert {params.max_tokens for params in model.client.params} == {20}  # type: ignore[attr-defined]


def test_where_nothing_was_answered_there_is_no_score(task: Task, scripted: Make) -> None:
    result = run(task, scripted(TOO_LONG), Settings(limit=3))
    assert (len(result.errored), result.metrics()) == (
        3,
        {
            **{
                f"{status}_share": pytest.approx(float("nan"), nan_ok=True)
                for status in ("truncated", "malformed", "refused", "unparsed")
            },
            "errored_items": 3.0,
        },
    )
    with pytest.raises(DataError, match="no problem was answered"):
        _ = result.summary.headline


def test_several_greedy_samples_are_refused() -> None:
    with pytest.raises(ConfigError, match="greedy"):
        Settings(samples=2)
