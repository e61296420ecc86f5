"""JSON files that are one array of rows."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinker_core import DataError
from tinker_data import open_file
from tinker_data.sources.json_array import JsonArrayRows

TEXTS = st.text(st.sampled_from(['"', "\\", "[", "]", "{", "}", ",", "a", "é", "\n"]), max_size=6)
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), min_size=1, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS, ascii_=st.booleans(), indent=st.sampled_from([None, 1]), bom=st.booleans())
def test_the_rows_are_the_elements_of_the_array(tmp_path, rows, ascii_, indent, bom):
    path = tmp_path / "rows.json"
    text = json.dumps(rows, ensure_ascii=ascii_, indent=indent)
    path.write_text(f"\n {text} \n", encoding="utf-8-sig" if bom else "utf-8")
    source = open_file(path)
    assert isinstance(source, JsonArrayRows)
    assert [source[i].value for i in range(len(source))] == rows


@pytest.mark.parametrize("bad", ["9" * 5000, "NaN", '"\\ud83d"', "[" * 5000 + "]" * 5000, "{]", ""])
def test_a_row_that_is_not_json_makes_no_other_row_unusable(tmp_path, bad):
    path = tmp_path / "rows.json"
    path.write_text(f'[{{"a": 1}}, {{"a": {bad}}}, {{"a": 2}}]')
    source = open_file(path)
    assert [source[i].value["a"] for i in (0, 2)] == [1, 2]
    with pytest.raises(DataError, match=r"rows\.json:2: "):
        _ = source[1].value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "the array does not end"),
        ('[{"a": 1}', "the array does not end"),
        ("[{}] x", "text behind the array"),
        ("[{}][{}]", "text behind the array"),
        ("[]", "the file has no rows"),
        (" [ ] ", "the file has no rows"),
    ],
)
def test_a_file_that_is_not_one_array_of_rows_is_refused(tmp_path, text, problem):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        open_file(path)
