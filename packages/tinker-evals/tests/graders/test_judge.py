"""A judge's words become a score; a judge that says nothing is no fault of the model."""

import asyncio
from collections.abc import Callable

import pytest

from tinker_core import Comparison
from tinker_evals import GradingError, Item, Model, Retry, Settings, run_task
from tinker_evals.graders.judge import DuelGrader, RubricGrader, read_score, read_verdict
from tinker_evals.tasks.open_questions import duel, judged

Make = Callable[..., Model]
ITEM = Item(id="q", prompt="Why is the sky blue?", target="It scatters.")


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("Good.\nScore: 10", 1.0),
        ("Bad.\nScore: 1", 0.0),
        ("**Score:** 4", 1 / 3),
        ("Score: 2\nOn second thought:\nscore: 10", 1.0),
    ],
)
def test_a_score_is_brought_to_zero_to_one(said: str, score: float, scripted: Make) -> None:
    grader = RubricGrader(judge=scripted(said))
    grade = asyncio.run(grader.grade("It is far away.", ITEM))
    assert grade.scores == {"judged": pytest.approx(score)}
    assert grade.comment == said


@pytest.mark.parametrize("said", ["", "I like it.", "Score: 11", "Score: 0", "It scores 7."])
def test_a_judge_that_gives_no_score_has_failed(said: str, scripted: Make) -> None:
    with pytest.raises(GradingError, match="q: the judge gave no score"):
        asyncio.run(RubricGrader(judge=scripted(said)).grade("It is.", ITEM))


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("Score: 8", 8),
        ("Score (1-10): 8", 8),
        ("Score (from 1 to 10): **8**", 8),
        ("**Score (1-10):** 8", 8),
        ("Score: 7.5", 7.5),
        ("Final Score: 8", 8),
        ("**Overall score: 8/10**", 8),
        ("Score: 8 out of 10", 8),
        ("Score: 8.", 8),
        ("Score = 8", 8),
        ("Score:\n8", 8),
        ("# Score: 8", 8),
        ("Score: 2\nScore: 8", 8),
        ("Score: 8, because it is short", 8),
        ("Score: -3", -3),
        ("Score: [[8]]", 8),
        ("Rating: 8", 8),
        ("The final score is **8**.", 8),
        ("The score is not 8", None),
        ("Score: 7-8", None),
        ("Score: 7 or 8", None),
        ("Score: 7 to 8", None),
        ("Score: 8/5", None),
        ("Score: 4 out of 5", None),
        ("Score: 1,5", None),
        ("Score: 1.2.3", None),
        ("Score: high", None),
        ("Score (1-10)", None),
        ("My score is 8", 8),
        ("", None),
    ],
)
def test_the_last_score_is_read_as_it_was_given(said: str, score: float | None) -> None:
    assert read_score(said, high=10) == score


@pytest.mark.parametrize(
    ("said", "preference"),
    [
        ("Verdict: first", 1.0),
        ("Verdict: second", 0.0),
        ("Verdict: tie", 0.5),
        ("Verdict: draw", 0.5),
        ("Final verdict: second", 0.0),
        ("**Final Verdict:** The second", 0.0),
        ("Verdict: First reply", 1.0),
        ("## Verdict\nsecond", 0.0),
        ("Verdict: first\nNo.\nVerdict: second", 0.0),
        ("Verdict: [[second]]", 0.0),
        ("My verdict is: a tie", None),
        ("My final verdict is second.", 0.0),
        ("Verdict: first or second", None),
        ("Verdict: not the first", None),
        ("Verdict: neither", None),
        ("The first is better.", None),
        ("", None),
    ],
)
def test_the_last_verdict_is_read(said: str, preference: float | None) -> None:
    assert read_verdict(said) == preference


def test_a_judgement_that_is_cut_off_is_none(scripted: Make) -> None:
    grader = RubricGrader(judge=scripted("Score: 10 of ten"), max_tokens=10)
    with pytest.raises(GradingError, match="did not finish"):
        asyncio.run(grader.grade("It is.", ITEM))


def test_the_judge_sees_request_reply_reference_and_rubric(scripted: Make) -> None:
    judge = scripted("Score: 5")
    grader = RubricGrader(judge=judge, rubric="It rhymes.", low=0, high=5)
    asyncio.run(grader.grade("Because it is not red.", ITEM))
    (asked,) = judge.client.asked  # type: ignore[attr-defined]
    for part in (ITEM.prompt, ITEM.target, "Because it is not red.", "It rhymes.", "0 (worst)"):
        assert part in asked


def verdicts(first: str, second: str) -> Callable[[str, int], str]:
    """Of a judge, when our reply is shown first, and when it is shown second."""

    def judge(text: str, number: int) -> str:
        return f"Verdict: {first if text.index('[ours]') < text.index('[theirs]') else second}"

    return judge


@pytest.mark.parametrize(
    ("first", "second", "win_rate", "agree"),
    [
        ("first", "second", 1.0, 1.0),
        ("second", "first", 0.0, 1.0),
        ("first", "first", 0.5, 0.0),  # it likes what comes first
        ("second", "second", 0.5, 0.0),
        ("tie", "tie", 0.5, 1.0),
        ("first", "tie", 0.75, 0.0),
        ("tie", "first", 0.25, 0.0),
    ],
)
def test_a_duel_is_judged_in_both_orders(
    first: str, second: str, win_rate: float, agree: float, scripted: Make
) -> None:
    grader = DuelGrader(opponent=scripted("[theirs]"), judge=scripted(verdicts(first, second)))
    scores = asyncio.run(grader.grade("[ours]", ITEM)).scores
    assert scores == {"win_rate": win_rate, "orders_agree": agree}


def test_the_page_of_a_duel_shows_the_other_reply_and_both_judgements(scripted: Make) -> None:
    judge = scripted(["Ours explains.\nVerdict: first", "Alike.\nVerdict: tie"])
    grader = DuelGrader(opponent=scripted("[theirs]", name="old"), judge=judge)
    comment = asyncio.run(grader.grade("[ours]", ITEM)).comment
    other, first, second = comment.split("\n\n")
    assert other == "old said:\n[theirs]"
    assert first.endswith("reply first:\nOurs explains.\nVerdict: first")
    assert second.endswith("it second:\nAlike.\nVerdict: tie")
    shown = judge.client.asked  # type: ignore[attr-defined]
    orders = [text.index("[ours]") < text.index("[theirs]") for text in shown]
    assert orders == [True, False]


class Likes:
    """A preference model that likes a word."""

    async def prefer(self, comparison: Comparison) -> float:
        assert comparison.prompt[0].text == ITEM.prompt
        first, second = ("[ours]" in side[0].text for side in (comparison.first, comparison.second))
        return 0.5 + 0.4 * (first - second)


def test_a_duel_may_be_judged_by_a_preference_model(scripted: Make) -> None:
    grader = DuelGrader(opponent=scripted("[theirs]"), judge=Likes())
    scores = asyncio.run(grader.grade("[ours]", ITEM)).scores
    assert scores == {"win_rate": pytest.approx(0.9), "orders_agree": 1.0}
    assert asyncio.run(grader.grade("[theirs]", ITEM)).scores["win_rate"] == 0.5


def test_a_duel_without_a_verdict_has_failed(scripted: Make) -> None:
    grader = DuelGrader(opponent=scripted("[theirs]"), judge=scripted("Both are fine."))
    with pytest.raises(GradingError, match="no verdict"):
        asyncio.run(grader.grade("[ours]", ITEM))


def test_open_questions_are_rated_and_fought_over(scripted: Make) -> None:
    rated = asyncio.run(run_task(judged(scripted("Score: 10")), scripted("Well.")))
    assert rated.summary.headline.value == 1.0
    assert rated.summary.headline.n == 6
    task = duel(
        scripted("[theirs]", name="old"), scripted(verdicts("first", "second"), name="wise")
    )
    won = asyncio.run(run_task(task, scripted("[ours]")))
    assert won.summary.scores["win_rate"].value == 1.0
    assert won.fingerprint["grader"].startswith("duel with old, judged by wise")


def test_a_judge_that_fails_at_times_leaves_those_problems_open(scripted: Make) -> None:
    judge = scripted(lambda text, n: "Hm." if "clock" in text else "Score: 10")
    settings = Settings(retry=Retry(backoff_s=0.0))
    result = asyncio.run(run_task(judged(judge), scripted("Well."), settings))
    assert list(result.errored) == ["3"]
    assert result.summary.headline.n == 5


def test_both_sides_of_a_duel_have_the_same_room(scripted: Make) -> None:
    ours, theirs = scripted("[ours]"), scripted("[theirs]")
    task = duel(theirs, scripted(verdicts("tie", "tie")), max_tokens=32)
    asyncio.run(run_task(task, ours))
    rooms = [{p.max_tokens for p in model.client.params} for model in (ours, theirs)]  # type: ignore[attr-defined]
    assert rooms == [{32}, {32}]
