"""Rows as the data sets have them, each written down by hand from its card."""

import json

import pytest
from attrs import evolve

from tinker_core import DataError
from tinker_data import Place, RawRow
from tinker_dpo import KNOWN, Dpo, PreferenceFile, Selection, open_dataset
from tinker_dpo.data.row_formats import READERS


def read(source: str, value: object):
    pair = READERS[source](RawRow(content=value, place=Place(file="rows", row=4)))
    return [
        [(message.role, message.text) for message in side]
        for side in (pair.prompt, pair.chosen, pair.rejected)
    ]


def test_hh_rlhf_turns_are_told_apart_and_the_last_one_is_the_response() -> None:
    common = "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: Why: this?"
    value = {
        "chosen": f"{common}\n\nAssistant: Because.\n\nOf that.",
        "rejected": f"{common}\n\nAssistant: No idea",
    }
    assert read("hh_rlhf", value) == [
        [("user", "Hi"), ("assistant", "Hello!"), ("user", "Why: this?")],
        [("assistant", "Because.\n\nOf that.")],
        [("assistant", "No idea")],
    ]


@pytest.mark.parametrize(("strength", "better"), [(-3, "one"), (-1, "one"), (1, "two"), (3, "two")])
def test_helpsteer2_prefers_the_first_response_below_zero(strength: int, better: str) -> None:
    value = {
        "prompt": "q",
        "response_1": "one",
        "response_2": "two",
        "preference_strength": strength,
        "preference_statement": "not read",
    }
    worse = {"one": "two", "two": "one"}[better]
    assert read("helpsteer2", value) == [
        [("user", "q")],
        [("assistant", better)],
        [("assistant", worse)],
    ]


def test_helpsteer2_marks_the_turns_of_a_longer_prompt() -> None:
    prompt = "a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\nc"
    value = {"prompt": prompt, "response_1": "1", "response_2": "2", "preference_strength": 2}
    assert read("helpsteer2", value)[0] == [("user", "a"), ("assistant", "b"), ("user", "c")]


def test_helpsteer3_has_its_prompt_as_messages() -> None:
    value = {
        "context": [{"role": "user", "content": "q"}],
        "response1": "one",
        "response2": "two",
        "overall_preference": 1,
    }
    assert read("helpsteer3", value) == [
        [("user", "q")],
        [("assistant", "two")],
        [("assistant", "one")],
    ]


@pytest.mark.parametrize("source", ["ultrafeedback", "tulu3"])
def test_ultrafeedback_and_tulu_3_repeat_the_prompt_in_both_sides(source: str) -> None:
    question = {"role": "user", "content": "q"}
    value = {
        "prompt": "q",
        "chosen": [question, {"role": "assistant", "content": "good"}],
        "rejected": [question, {"role": "assistant", "content": "bad"}],
        "score_chosen": 8.0,
    }
    assert read(source, value) == [
        [("user", "q")],
        [("assistant", "good")],
        [("assistant", "bad")],
    ]


@pytest.mark.parametrize(
    ("source", "value", "problem"),
    [
        ("hh_rlhf", {"chosen": 1, "rejected": ""}, "rows:4: chosen: must be a string"),
        ("hh_rlhf", {"chosen": "hello", "rejected": ""}, "rows:4: chosen: does not begin"),
        ("helpsteer2", {"prompt": "q", "preference_strength": 0}, "neither response is preferred"),
        ("helpsteer3", {"context": []}, "rows:4: overall_preference: must be a number, not None"),
    ],
)
def test_a_row_of_another_shape_is_an_error_with_its_place(source, value, problem) -> None:
    with pytest.raises(DataError) as caught:
        read(source, value)
    assert problem in str(caught.value)


def test_a_file_of_such_rows_is_read_by_naming_the_data_set(tmp_path, renderer) -> None:
    path = tmp_path / "hh.jsonl"
    texts = {side: f"\n\nHuman: q\n\nAssistant: {side}" for side in ("chosen", "rejected")}
    path.write_text(json.dumps(texts) + "\n")
    data = PreferenceFile(path=path, source="hh_rlhf").build(seed=0)
    assert len(open_dataset(data.train, Dpo(), renderer, Selection())) == 1


def test_a_dataset_of_the_hub_is_read_as_a_file_is(monkeypatch) -> None:
    datasets = pytest.importorskip("datasets")
    rows = [
        {"prompt": f"q{i}", "response_1": "a", "response_2": "b", "preference_strength": -1}
        for i in range(4)
    ]
    asked = []

    def load_dataset(name, config, *, data_dir, split):
        asked.append((name, config, data_dir, split))
        return datasets.Dataset.from_list(rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    data = evolve(KNOWN["helpsteer2"], test_rows=1).build(seed=0)
    assert asked == [("nvidia/HelpSteer2", None, "preference", "train")]
    assert (len(data.train), len(data.test)) == (3, 1)
    assert data.train[0].chosen[0].text == "a"


def test_every_reader_has_its_data_set() -> None:
    assert KNOWN.keys() == READERS.keys()


def said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def both_sides(i: int) -> dict[str, object]:
    question = said("user", f"q{i}")
    sides = {side: [question, said("assistant", side)] for side in ("chosen", "rejected")}
    return {"prompt": f"q{i}", "prompt_id": f"{i:064x}", **sides}


HELPSTEER3 = """---
configs:
- config_name: preference
  data_files:
  - {split: train, path: preference/train*}
  - {split: validation, path: preference/validation*}
---
"""
LAYOUTS = {  # files of each data set on the hub, and a row by its number
    "hh_rlhf": (
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        lambda i: {
            side: f"\n\nHuman: q{i}\n\nAssistant: {side}" for side in ("chosen", "rejected")
        },
    ),
    "helpsteer2": (
        ("preference/preference.parquet",),
        lambda i: {
            "split": "train",
            "prompt": f"q{i}",
            "response_1": "rejected",
            "response_2": "chosen",
            "preference_strength": 1 + i % 3,
            "all_preferences_unprocessed": [{"strength": 2, "justification": "it is"}],
        },
    ),
    "helpsteer3": (
        ("preference/train.parquet", "preference/validation.parquet"),
        lambda i: {
            "domain": "general",
            "context": [said("user", f"q{i}")],
            "response1": "chosen",
            "response2": "rejected",
            "overall_preference": -1 - i % 3,
        },
    ),
    "ultrafeedback": (
        ("data/train_prefs-00000-of-00001.parquet", "data/test_prefs-00000-of-00001.parquet"),
        lambda i: {**both_sides(i), "score_chosen": 8.0, "score_rejected": 6.5},
    ),
    "tulu3": (
        ("data/train-00000-of-00001.parquet",),
        lambda i: {"id": f"{i}", "source": "wild", **both_sides(i)},
    ),
}


@pytest.mark.parametrize("source", LAYOUTS)
def test_parquet_files_of_a_data_sets_layout_are_read_by_the_library(
    source, tmp_path, monkeypatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    names, row = LAYOUTS[source]
    for name in names:
        file = tmp_path / "set" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list([row(i) for i in range(6)]).to_parquet(file)
    if source == "helpsteer3":
        (tmp_path / "set" / "README.md").write_text(HELPSTEER3)
    known = KNOWN[source]
    known = evolve(known, name=str(tmp_path / "set"), test_rows=min(known.test_rows, 2))
    data = known.build(seed=0)
    assert (len(data.train), len(data.test)) == ((6, 6) if len(names) > 1 else (4, 2))
    for pair in (data.train[0], data.test[0]):
        assert pair.prompt[-1].text[0] == "q"
        assert [side[0].text for side in (pair.chosen, pair.rejected)] == ["chosen", "rejected"]
