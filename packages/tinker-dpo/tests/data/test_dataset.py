"""Which rows are used, and in what order."""

import pytest

from tinker_core import DataError
from tinker_dpo import (
    Dpo,
    Kto,
    PreferenceFile,
    RenderedJudged,
    Selection,
    open_dataset,
)
from tinker_dpo.data.dataset import mismatches


@pytest.fixture
def open_rows(write_rows, renderer):
    """PreferenceDataset of rows in a file."""

    def open_(rows, objective=None, **selection):
        data = PreferenceFile(path=write_rows(rows)).build(seed=0)
        return open_dataset(data.train, objective or Dpo(), renderer, Selection(**selection))

    return open_


def rows(n: int) -> list[dict[str, str]]:
    return [{"prompt": f"q{i}", "chosen": f"a{i}", "rejected": f"b{i}"} for i in range(n)]


BAD = [
    ({"prompt": "q", "chosen": "a", "rejected": "a"}, "the same"),
    ({"chosen": "a", "rejected": "b"}, "prompt: missing"),
    ({"prompt": "q", "chosen": "a" * 99, "rejected": "b"}, "over max_length=50"),
    ({"prompt": [{"role": "assistant", "content": "q"}], "chosen": "a", "rejected": "b"}, "roles"),
    ("{", "not JSON"),
]


@pytest.mark.parametrize(("bad", "problem"), BAD)
def test_a_bad_row_is_an_error_with_file_and_row(bad, problem, open_rows) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        open_rows([*rows(2), bad, *rows(1)], max_length=50)
    assert (caught.value.row, caught.value.file.endswith("rows.jsonl")) == (3, True)


def test_bad_rows_are_left_out_where_that_is_the_policy_and_each_says_why(open_rows) -> None:
    items = open_rows([*rows(2), *(bad for bad, _ in BAD), *rows(1)], max_length=50, bad_row="skip")
    assert len(items) == 3
    assert [error.row for error in items.skipped] == [3, 4, 5, 6, 7]
    for error, (_, problem) in zip(items.skipped, BAD, strict=True):
        assert problem in str(error)


def test_where_every_row_is_bad_there_is_an_error(open_rows) -> None:
    with pytest.raises(DataError, match=r"no row of 1 can be used; the first: .*the same"):
        open_rows([{"prompt": "q", "chosen": "a", "rejected": "a"}], bad_row="skip")


def test_an_objective_of_pairs_refuses_judged_responses(open_rows) -> None:
    with pytest.raises(DataError, match=r"rows.jsonl:1: Dpo learns from pairs"):
        open_rows([{"prompt": "q", "completion": "a", "label": True}])


def test_kto_takes_judged_responses_and_both_sides_of_pairs(open_rows) -> None:
    judged = {"prompt": "q", "completion": "a", "label": False}
    items = open_rows([rows(1)[0], judged, {**judged, "prompt": "r"}], Kto())
    assert [items[i].desirable for i in range(len(items))] == [True, False, False, False]
    assert all(isinstance(items[i], RenderedJudged) for i in range(len(items)))


def test_ktos_mismatched_response_was_given_to_another_prompt(open_rows, renderer) -> None:
    items = open_rows(rows(2), Kto())

    def said(response) -> str:
        targets = response.datum.loss_fn_inputs["target_tokens"].to_numpy()
        return renderer.tokenizer.decode(targets[response.mask == 1])

    pairs = [(said(items[i].response)[:2], said(items[i].mismatched)[:2]) for i in range(4)]
    assert pairs == [("a0", "a1"), ("b0", "b1"), ("a1", "a0"), ("b1", "b0")]


@pytest.mark.parametrize("prompts", ["aabb", "abab", "aabbcc", "abcabca", "aaabbbcdd"])
def test_each_response_of_kto_is_mismatched_once_and_with_another_prompt(prompts) -> None:
    found = mismatches(dict(enumerate(prompts)))
    assert sorted(found) == sorted(found.values()) == list(range(len(prompts)))
    assert all(prompts[item] != prompts[other] for item, other in found.items())


def test_a_prompt_with_most_responses_still_has_mismatched_ones() -> None:
    found = mismatches(dict(enumerate("aaaab")))
    assert found == {0: 4, 1: 4, 2: 4, 3: 4, 4: 3}


def test_kto_of_a_single_prompt_is_refused(open_rows) -> None:
    with pytest.raises(DataError, match="more than one prompt"):
        open_rows(rows(1), Kto())


def test_held_out_rows_are_not_trained_on(write_rows) -> None:
    path = write_rows(rows(10))
    data = PreferenceFile(path=path, test_rows=3).build(seed=0)
    train, test = (
        [rows_[i].place.row for i in range(len(rows_))] for rows_ in (data.train, data.test)
    )
    assert (len(train), len(test)) == (7, 3)
    assert sorted(train + test) == list(range(1, 11))
