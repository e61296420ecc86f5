"""Does a model that is taught to say the label of the better answer judge pairs it never saw?

The way of `tinker-dpo`'s other preference model: comparisons rendered, learned by `tinker-sl`
with each pair in both orders, asked in both orders, and compared with what people chose.
"""

import asyncio
import json
from pathlib import Path

import tinker_sl
from tinker_data import Batching, open_jsonl
from tinker_dpo import ComparisonFile, ComparisonRenderer, LabelModel, Share, agreement, read_pair
from tinker_render import renderer_for
from tinker_train import Adam, Constant, Lora, connect


def write_pairs(path: Path, sums: list[tuple[int, int]]) -> Path:
    rows = [
        {"prompt": f"What is {a}+{b}?", "chosen": f"{a + b}!", "rejected": f"{a + b}"}
        for a, b in sums
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_preference_model_trained_by_supervised_learning_agrees_on_held_out_pairs(
    tmp_path: Path,
) -> None:
    sums = [(a, b) for a in range(10) for b in range(10)]
    train = write_pairs(tmp_path / "train.jsonl", [s for s in sums if sum(s) % 4])
    test = open_jsonl(write_pairs(tmp_path / "test.jsonl", [s for s in sums if not sum(s) % 4]))
    held_out = [read_pair(test[i]) for i in range(len(test))]
    config = tinker_sl.Config(
        model="local/tiny",
        data=ComparisonFile(path=train, question="Better?", batching=Batching(batch_size=8)),
        run_dir=tmp_path / "run",
        lora=Lora(rank=16),
        adam=Adam(learning_rate=3e-3),
        schedule=Constant(),
        max_steps=60,
        num_epochs=20,
    )
    renderer = renderer_for("local/tiny")
    form = ComparisonRenderer(renderer=renderer, question="Better?")

    async def judged() -> tuple[Share, Share]:
        base = await engine.service.create_sampling_client(base_model="local/tiny")
        before = await agreement(LabelModel(sampler=base, renderer=form), held_out)
        data = config.data.build(renderer=renderer, seed=config.seed)
        result = await tinker_sl.train_on(engine, config, data)
        sampler = await engine.service.create_sampling_client(model_path=result.sampler_path)
        return before, await agreement(LabelModel(sampler=sampler, renderer=form), held_out)

    with connect() as engine:
        before, after = asyncio.run(judged())
    print(f"agreement before {before}, after {after}")
    assert before.high < 0.9
    assert after.low > before.high
    assert after.low > 0.8
