"""Grading by another model: a score by a rubric, or a duel with another model's reply."""

from __future__ import annotations

import re

import tinker
from attrs import field, frozen, validators

from tinker_core import Comparison, Message, Outcome, PreferenceModel, Reply
from tinker_evals.dataset.item import Item
from tinker_evals.errors import GradingError
from tinker_evals.graders.grade import Grade
from tinker_evals.model.model import Model

_FINAL = r"^[ \t*_#>-]{0,20}(?:(?:the|my|final|overall|total)\s+){0,2}"
_MARKS = r"(?:\s+is\b)?[\s*_:=\[(]{0,20}"
_SCORE = re.compile(
    rf"{_FINAL}(?:score|rating)\s*(?:\([^)\n]*\))?{_MARKS}([-\u2212]?\d+(?:\.\d+)?)"
    r"(?:\s*(?:/|out of)\s*(\d+))?(?![\d.,/]*\d|\s*(?:[-\u2013\u2212]|or\b|to\b)\s*\d)",
    re.IGNORECASE | re.MULTILINE,
)
_VERDICT = re.compile(
    rf"{_FINAL}verdict{_MARKS}(?:the\s+)?(first|second|tie|draw)\b(?!\s*(?:or|and|/)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_PREFERENCES = {"first": 1.0, "tie": 0.5, "draw": 0.5, "second": 0.0}

RUBRIC = "The reply is correct, answers what was asked, and says no more than it needs to."

_RATE = """\
Judge a reply to a request.

Request:
{request}
{reference}
Reply:
{reply}

What counts: {rubric}

Say briefly what speaks for the reply and what against it. Finish with a line `Score: ` and a \
whole number from {low} (worst) to {high} (best)."""

_COMPARE = """\
Compare two replies to a request.

Request:
{request}
{reference}
First reply:
{first}

Second reply:
{second}

What counts: {rubric} Neither the order nor the length of the replies does.

Say briefly how they differ. Finish with a line `Verdict: ` and one word: first, second or tie."""


@frozen(kw_only=True)
class RubricGrader:
    """A judge's score on a scale, rescaled to 0 to 1."""

    judge: Model
    rubric: str = RUBRIC
    low: int = 1
    high: int = field(default=10)
    max_tokens: int = field(default=1024, validator=validators.gt(0))
    version: int = 1

    @high.validator
    def _above_low(self, _: object, high: int) -> None:
        if high <= self.low:
            raise ValueError(f"high must be above low: {self.low} to {high}")

    @property
    def name(self) -> str:
        """The judge, the scale and the rubric."""
        return f"rubric judged by {self.judge.name}, {self.low} to {self.high}: {self.rubric}"

    async def grade(self, reply: str, item: Item) -> Grade:
        """Ask the judge. Raises GradingError for a judgement without a score on the scale."""
        prompt = _RATE.format(
            request=item.prompt,
            reference=_reference(item),
            reply=reply,
            rubric=self.rubric,
            low=self.low,
            high=self.high,
        )
        said = await ask_judge(self.judge, prompt, self.max_tokens)
        score = read_score(said, self.high)
        if score is None or not self.low <= score <= self.high:
            raise GradingError(f"{item.id}: the judge gave no score: {said[-200:]!r}")
        share = (score - self.low) / (self.high - self.low)
        return Grade(scores={"judged": share}, comment=said)


def read_score(said: str, high: int) -> float | None:
    """The number on the last line `Score: 8`; None for a range or a score of another scale."""
    found = _SCORE.findall(said)
    if not found or found[-1][1] not in ("", str(high)):
        return None
    return float(found[-1][0].replace("\u2212", "-"))


def read_verdict(said: str) -> float | None:
    """The preference for the first reply, from the last line `Verdict: first`."""
    found = _VERDICT.findall(said)
    return _PREFERENCES[found[-1].lower()] if found else None


@frozen(kw_only=True)
class DuelGrader:
    """Compares the reply with another model's, in both orders: 1 is won, 0 lost, 0.5 a tie.

    A judge that always prefers the same position decides one order for each side: a tie.
    """

    opponent: Model
    judge: Model | PreferenceModel
    """A model that is asked in words, or a preference model, which does not use the rubric."""
    rubric: str = RUBRIC
    opponent_tokens: int = field(default=2048, validator=validators.gt(0))
    max_tokens: int = field(default=1024, validator=validators.gt(0))
    version: int = 1

    @property
    def name(self) -> str:
        """The opponent, the judge and the rubric."""
        if not isinstance(self.judge, Model):
            return f"duel with {self.opponent.name}, judged by {self.judge!r}"
        return f"duel with {self.opponent.name}, judged by {self.judge.name}: {self.rubric}"

    async def grade(self, reply: str, item: Item) -> Grade:
        """Judge both orders. Raises GradingError for a judgement without a verdict."""
        outcome = await _greedy(self.opponent, item.prompt, self.opponent_tokens)
        other = outcome.message.text
        as_first, on_first = await self._prefer(item, reply, other)
        against, on_second = await self._prefer(item, other, reply)
        as_second = 1.0 - against
        agree = _side(as_first) == _side(as_second)
        return Grade(
            scores={"win_rate": (as_first + as_second) / 2, "orders_agree": float(agree)},
            comment=f"{self.opponent.name} said:\n{other}\n\n"
            f"Judged with the reply first:\n{on_first}\n\nJudged with it second:\n{on_second}",
        )

    async def _prefer(self, item: Item, first: str, second: str) -> tuple[float, str]:
        """The preference for the first reply, from 0 to 1, and the judgement."""
        if not isinstance(self.judge, Model):
            sides = [[Message(role="assistant", content=text)] for text in (first, second)]
            question = [Message(role="user", content=item.prompt)]
            preference = await self.judge.prefer(
                Comparison(prompt=question, first=sides[0], second=sides[1])
            )
            return preference, f"{preference:.3f} for the first"
        prompt = comparison_prompt(item, first, second, self.rubric)
        said = await ask_judge(self.judge, prompt, self.max_tokens)
        verdict = read_verdict(said)
        if verdict is None:
            raise GradingError(f"{item.id}: the judge gave no verdict: {said[-200:]!r}")
        return verdict, said


def comparison_prompt(item: Item, first: str, second: str, rubric: str = RUBRIC) -> str:
    """The prompt of the judge of a duel, also for training a judge."""
    return _COMPARE.format(
        request=item.prompt,
        reference=_reference(item),
        first=first,
        second=second,
        rubric=rubric,
    )


def _side(preference: float) -> int:
    return (preference > 0.5) - (preference < 0.5)


async def ask_judge(judge: Model, prompt: str, max_tokens: int) -> str:
    """The judgement, sampled greedily. Raises GradingError for one that is cut off."""
    outcome = await _greedy(judge, prompt, max_tokens)
    if not isinstance(outcome, Reply):
        raise GradingError(f"{judge.name} did not finish its judgement in {max_tokens} tokens")
    return outcome.message.text


async def _greedy(model: Model, prompt: str, max_tokens: int) -> Outcome:
    renderer = model.renderer
    tokens = renderer.build_generation_prompt([Message(role="user", content=prompt)])
    params = tinker.SamplingParams(
        max_tokens=model.room(tokens, max_tokens),
        temperature=0.0,
        stop=renderer.get_stop_sequences(),
    )
    response = await model.client.sample(tokens, 1, params)
    return renderer.parse_response(list(response.sequences[0].tokens))


def _reference(item: Item) -> str:
    return f"\nA good answer:\n{item.target}\n" if item.target else ""
