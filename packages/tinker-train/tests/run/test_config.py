"""The settings that all runs share."""

from pathlib import Path

import pytest

from tinker_train import Evaluation, RunConfig, from_plain, to_plain


def config(**fields):
    return RunConfig(**{"model": "double", "run_dir": Path("run"), **fields})


@pytest.mark.parametrize(
    "field", [{"model": ""}, {"num_epochs": 0}, {"max_steps": 0}, {"seed": -1}], ids=str
)
def test_values_out_of_range_are_refused_by_name(field):
    (name,) = field
    with pytest.raises(ValueError, match=name):
        config(**field)


def test_it_comes_back_from_json():
    settings = config(max_steps=7, evaluation=Evaluation(patience=3))
    assert from_plain(to_plain(settings)) == settings
