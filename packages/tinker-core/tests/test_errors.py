"""One tree, and a place in every data error."""

import pickle

import pytest

import tinker_core
from tinker_core import DataError, PostTrainingError


def test_every_error_has_one_root() -> None:
    errors = [getattr(tinker_core, name) for name in tinker_core.__all__ if name.endswith("Error")]
    assert len(errors) == 8
    assert all(issubclass(error, PostTrainingError) for error in errors)


def test_a_data_error_reads_as_place_field_problem() -> None:
    error = DataError("unknown role 'x'", file="a.jsonl", row=3, field="messages[0].role")
    assert str(error) == "a.jsonl:3: messages[0].role: unknown role 'x'"
    assert str(DataError("bad")) == "bad"


def test_a_place_is_filled_in_only_where_it_was_unknown() -> None:
    assert str(DataError("bad", row=2).at(file="a", row=9)) == "a:2: bad"


def test_a_data_error_survives_pickling() -> None:
    error = DataError("bad", file="a", row=1, field="f")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.row) == (str(error), 1)


def test_known_errors_are_also_the_built_in_ones() -> None:
    with pytest.raises(ValueError, match="bad"):
        raise DataError("bad")
