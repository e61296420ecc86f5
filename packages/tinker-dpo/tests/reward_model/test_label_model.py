"""The label model over a scripted sampler."""

import asyncio
import json
import math

import pytest

from tinker_core import Comparison, ConfigError, DataError, RenderError
from tinker_data import Batching
from tinker_dpo import ComparisonFile, ComparisonRenderer, LabelModel


def longer_is_better(text: str) -> float:
    """Of the label: 3/4 for the longer answer's, 1/4 for the other's."""
    a = text.partition("Answer A:\n")[2].partition("\n\n")[0]
    b = text.partition("Answer B:\n")[2].partition("\n\n")[0]
    return math.log(3 / 4 if (text[-1] == "A") == (len(a) > len(b)) else 1 / 4)


def test_the_label_model_gives_the_share_of_the_first_label(renderer, compare, scripted) -> None:
    sampler = scripted(longer_is_better)
    model = LabelModel(sampler=sampler, renderer=ComparisonRenderer(renderer=renderer))
    assert asyncio.run(model.prefer(compare("long", "l"))) == pytest.approx(0.75)
    assert asyncio.run(model.prefer(compare("l", "long"))) == pytest.approx(0.25)


def test_a_model_that_likes_a_place_prefers_nothing_when_asked_in_both_orders(
    renderer, compare, scripted
) -> None:
    sampler = scripted(lambda text: math.log(0.9 if text[-1] == "A" else 0.1))
    form = ComparisonRenderer(renderer=renderer)
    both = LabelModel(sampler=sampler, renderer=form)
    one = LabelModel(sampler=sampler, renderer=form, both_orders=False)
    assert asyncio.run(both.prefer(compare("a", "b"))) == pytest.approx(0.5)
    assert asyncio.run(one.prefer(compare("a", "b"))) == pytest.approx(0.9)


def test_the_whole_comparison_stands_in_one_message_of_the_user(renderer, compare) -> None:
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
                first=[{"role": "assistant", "content": "a"}],
                second=[{"role": "assistant", "content": "b"}],
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
