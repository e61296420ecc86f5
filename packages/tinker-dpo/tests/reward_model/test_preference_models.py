"""Preference models over a scripted sampler: what they ask, and what they make of the answer."""

import asyncio
import json
import math

import pytest
from attrs import define, field

from tinker_core import ConfigError, DataError, RenderError
from tinker_core.testing import ReadyFuture
from tinker_data import Batching, PreferencePair
from tinker_dpo import (
    BradleyTerry,
    Comparison,
    ComparisonFile,
    ComparisonRenderer,
    LabelModel,
    agreement,
    centred,
    judge,
    score_model,
    share,
    win_rate,
)


def messages(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def compare(first: str, second: str) -> Comparison:
    return Comparison(
        prompt=messages("user", "q"),
        first=messages("assistant", first),
        second=messages("assistant", second),
    )


@define
class ScriptedSampler:
    """Gives the last token of a prompt a log-probability by a rule over the text."""

    renderer: object
    rule: object
    asked: list[str] = field(factory=list)

    def compute_logprobs(self, prompt):
        text = self.renderer.tokenizer.decode(prompt.to_ints())
        self.asked.append(text)
        return ReadyFuture(lambda: [None, *[-9.0] * (prompt.length - 2), self.rule(text)])


def longer_is_better(text: str) -> float:
    """Of the label: 3/4 for the longer answer's, 1/4 for the other's."""
    a = text.partition("Answer A:\n")[2].partition("\n\n")[0]
    b = text.partition("Answer B:\n")[2].partition("\n\n")[0]
    return math.log(3 / 4 if (text[-1] == "A") == (len(a) > len(b)) else 1 / 4)


def test_the_label_model_gives_the_share_of_the_first_label(renderer) -> None:
    sampler = ScriptedSampler(renderer, longer_is_better)
    model = LabelModel(sampler=sampler, renderer=ComparisonRenderer(renderer=renderer))
    assert asyncio.run(model.prefer(compare("long", "l"))) == pytest.approx(0.75)
    assert asyncio.run(model.prefer(compare("l", "long"))) == pytest.approx(0.25)


def test_a_model_that_likes_a_place_prefers_nothing_when_asked_in_both_orders(renderer) -> None:
    sampler = ScriptedSampler(renderer, lambda text: math.log(0.9 if text[-1] == "A" else 0.1))
    form = ComparisonRenderer(renderer=renderer)
    both = LabelModel(sampler=sampler, renderer=form)
    one = LabelModel(sampler=sampler, renderer=form, both_orders=False)
    assert asyncio.run(both.prefer(compare("a", "b"))) == pytest.approx(0.5)
    assert asyncio.run(one.prefer(compare("a", "b"))) == pytest.approx(0.9)


def test_the_whole_comparison_stands_in_one_message_of_the_user(renderer) -> None:
    form = ComparisonRenderer(renderer=renderer, question="Better: {first} or {second}?")
    (message,) = form.messages(compare("one", "two"))
    assert message.role == "user"
    assert message.text == ("User:\nq\n\nAnswer A:\none\n\nAnswer B:\ntwo\n\nBetter: A or B?")


def test_labels_that_begin_alike_are_refused(renderer) -> None:
    with pytest.raises(ConfigError, match="begin with the same token"):
        ComparisonRenderer(renderer=renderer, labels=("Answer A", "Answer B"))


def test_a_comparison_holds_text_alone(renderer) -> None:
    form = ComparisonRenderer(renderer=renderer)
    with pytest.raises(RenderError, match="text alone"):
        form.messages(
            Comparison(
                prompt=[{"role": "user", "content": [{"type": "image", "image": b"x"}]}],
                first=messages("assistant", "a"),
                second=messages("assistant", "b"),
            )
        )


def pairs_file(tmp_path, n: int = 4):
    rows = [{"prompt": f"q{i}", "chosen": f"good{i}", "rejected": f"bad{i}"} for i in range(n)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def learned(renderer, datum) -> tuple[str, str]:
    """The comparison and the one target that has weight."""
    weights = datum.loss_fn_inputs["weights"].to_numpy()
    assert weights.tolist() == [0.0] * (len(weights) - 1) + [1.0]
    target = datum.loss_fn_inputs["target_tokens"].to_numpy()[-1]
    return renderer.tokenizer.decode(datum.model_input.to_ints()), renderer.tokenizer.decode(
        [target]
    )


def test_each_pair_is_learned_in_both_orders_with_the_label_of_the_chosen_side(
    tmp_path, renderer
) -> None:
    source = ComparisonFile(
        path=pairs_file(tmp_path), batching=Batching(batch_size=2, shuffle=False)
    )
    batch = next(source.build(renderer=renderer, seed=0).train.batches())
    seen = [learned(renderer, datum) for datum in batch.datums]
    assert [label for _, label in seen] == ["A", "B", "A", "B"]
    assert "Answer A:\ngood0\n\nAnswer B:\nbad0" in seen[0][0]
    assert "Answer A:\nbad0\n\nAnswer B:\ngood0" in seen[1][0]


def test_a_random_order_is_the_seeds_and_uses_both_labels(tmp_path, renderer) -> None:
    path = pairs_file(tmp_path, n=33)
    source = ComparisonFile(path=path, test_path=path, order="random")
    for seed in (0, 1):
        labels = [
            [learned(renderer, datum)[1] for datum in source.build(renderer=renderer, seed=s).test]
            for s in (seed, seed)
        ]
        assert labels[0] == labels[1]
        assert 5 < labels[0].count("A") < 28


def test_a_pair_that_is_no_text_is_an_error_with_its_place(tmp_path, renderer) -> None:
    image = {"role": "user", "content": [{"type": "image", "image": "data:x"}]}
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"prompt": [image], "chosen": "a", "rejected": "b"}) + "\n")
    with pytest.raises(DataError, match=r"pairs.jsonl:1: .*text alone"):
        ComparisonFile(path=path).build(renderer=renderer, seed=0)


def test_a_reward_is_the_log_odds_of_the_label(renderer) -> None:
    sampler = ScriptedSampler(renderer, lambda text: math.log(0.8 if "good" in text else 0.5))
    model = score_model(sampler, renderer, BradleyTerry(question="fine?", label="Y"))

    def reward(text: str) -> float:
        comparison = compare(text, "other")
        return asyncio.run(model.reward(comparison.prompt, comparison.first))

    assert reward("good") == pytest.approx(math.log(4), rel=1e-6)
    assert reward("meh") == pytest.approx(0.0, abs=1e-6)
    assert sampler.asked[0].endswith("fine?<|im_end|>\n<|im_start|>assistant\nY")
    assert asyncio.run(model.prefer(compare("good", "meh"))) == pytest.approx(4 / 5)


def test_a_centred_reward_is_zero_halfway_between_chosen_and_rejected(renderer) -> None:
    sampler = ScriptedSampler(renderer, lambda text: -20.0 if "nice" in text else -24.0)
    model = score_model(sampler, renderer, BradleyTerry())
    pairs = [pair("nice", "bad"), pair("nice one", "bad one")]
    centred_model = asyncio.run(centred(model, pairs))

    def reward(text: str) -> float:
        return asyncio.run(centred_model.reward(pairs[0].prompt, pair(text, "x").chosen))

    assert (reward("nice"), reward("bad")) == (pytest.approx(2.0), pytest.approx(-2.0))
    with pytest.raises(DataError, match="no pair to centre"):
        asyncio.run(centred(model, []))


def pair(chosen: str, rejected: str) -> PreferencePair:
    return PreferencePair(
        prompt=messages("user", "q"),
        chosen=messages("assistant", chosen),
        rejected=messages("assistant", rejected),
    )


class Longer:
    """Prefers the longer response; of two as long, neither."""

    async def prefer(self, comparison: Comparison) -> float:
        first, second = (len(side[0].text) for side in (comparison.first, comparison.second))
        return 0.5 if first == second else float(first > second)


class FirstPlace:
    """Always prefers the first response."""

    async def prefer(self, comparison: Comparison) -> float:
        return 0.9


def test_agreement_counts_what_was_chosen_and_half_of_the_ties() -> None:
    pairs = [pair("long", "s"), pair("longer", "s"), pair("s", "long"), pair("ab", "cd")]
    result = asyncio.run(agreement(Longer(), pairs))
    assert (result.value, result.n) == (2.5 / 4, 4)


def test_a_win_has_to_hold_in_both_orders() -> None:
    assert asyncio.run(win_rate(Longer(), [compare("long", "s")] * 3)).value == 1.0
    assert asyncio.run(win_rate(FirstPlace(), [compare("a", "b")] * 3)).value == 0.5


def test_the_same_response_twice_is_a_tie_that_nobody_is_asked_about() -> None:
    assert asyncio.run(judge(FirstPlace(), [compare("a", "a"), compare("a", "b")])) == [0.5, 0.9]


def test_wilsons_interval_by_hand() -> None:
    # 8 of 10, z = 1.96: centre (0.8 + 0.19207) / 1.38415 = 0.71674, half-width 0.22656
    result = share([1.0] * 8 + [0.0] * 2)
    assert (result.low, result.high) == (
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )
    everything = share([1.0] * 10)
    assert everything.low == pytest.approx(0.7225, abs=1e-4)
    assert everything.high == pytest.approx(1.0)


def test_there_is_no_share_of_nothing() -> None:
    with pytest.raises(DataError, match="no judgement"):
        share([])
