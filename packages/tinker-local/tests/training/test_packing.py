"""Datums packed into micro-batches."""

from __future__ import annotations

import torch

from tinker_local.training.packing import LossInputs, pack


def rows(index: int, length: int) -> LossInputs:
    tokens = torch.zeros(length, dtype=torch.long)
    return LossInputs(
        index=index, tokens=tokens, targets=tokens[:, None], inputs={}, shape=(length,)
    )


def test_a_micro_batch_holds_no_more_than_its_budget_and_equal_lengths_are_neighbours():
    lengths = [5, 40, 5, 12, 30, 5, 12, 1]
    packs = pack([rows(i, n) for i, n in enumerate(lengths)], 32)
    assert [[len(datum) for datum in group] for group in packs] == [
        [40],
        [30],
        [12, 12, 5],
        [5, 5, 1],
    ]
    assert sorted(datum.index for group in packs for datum in group) == list(range(8))
