"""No key of a row is dropped in silence."""

import pytest

from tinker_core import DataError
from tinker_data import Place, RawRow, read_conversation, read_pair
from tinker_data.layouts.fields import WITHOUT_EFFECT

PLACE = Place(file="rows.jsonl", row=7)
USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
ROWS = {
    "openai": {"messages": [USER, ANSWER]},
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    },
    "alpaca": {"instruction": "Hi", "output": "Hello"},
    "completion": {"prompt": "Hi", "completion": "Hello"},
}


def read(value, **options):
    return read_conversation(RawRow(content=value, place=PLACE), **options)


@pytest.mark.parametrize("layout", ROWS)
@pytest.mark.parametrize(
    "key",
    [
        *(
            "systm",
            "label",
            "kto_tag",
            "score",
            "images",
            "chat_template_kwargs",
            "text",
            "rejected",
        ),
        *("weight", "response", "answer", "train_detail", "margin", "completions"),
    ],
)
def test_an_unknown_key_is_refused_by_name_with_file_and_row(layout, key):
    with pytest.raises(DataError, match=rf"rows\.jsonl:7: unknown key '{key}'"):
        read({**ROWS[layout], key: 1})
    ignored = read({**ROWS[layout], key: 1}, ignored_keys=(key,))
    assert ignored == read({**ROWS[layout], key: 1}, ignored_keys=("*",)) == read(ROWS[layout])


@pytest.mark.parametrize("layout", ROWS)
def test_keys_without_effect_and_nulls_are_accepted(layout):
    extra = dict.fromkeys(WITHOUT_EFFECT, "x") | dict.fromkeys(("systm", "messages_"), None)
    assert read({**ROWS[layout], **extra}) == read(ROWS[layout])


@pytest.mark.parametrize("layout", ROWS)
def test_every_layout_may_have_a_system_prompt_and_tools(layout):
    tool = {"name": "f", "description": "", "parameters": {"type": "object"}}
    for tools in ({"tools": [tool]}, {"functions": [tool]}, {"tools": '[{"name": "f"}]'}):
        conversation = read({**ROWS[layout], "system": "Be kind.", **tools})
        said = [(message.role, message.text) for message in conversation.messages]
        assert said == [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello")]
        assert [spec.name for spec in conversation.tools] == ["f"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"messages": [{"role": "system", "content": "a"}, ANSWER], "system": "b"}, "system: the"),
        ({**ROWS["openai"], "tools": [], "functions": []}, "tools: both 'tools' and"),
        ({**ROWS["openai"], "tools": "{"}, "tools: not JSON"),
        ({**ROWS["openai"], "system": 3}, "system: must be a string"),
    ],
)
def test_fields_that_contradict_each_other_are_errors(value, problem):
    with pytest.raises(DataError, match=rf"rows\.jsonl:7: {problem}"):
        read(value)


@pytest.mark.parametrize("one", ROWS)
@pytest.mark.parametrize("other", ROWS)
def test_a_row_that_fits_two_layouts_is_an_error_unless_one_field_is_null(one, other):
    if one == other:
        return
    both = {**ROWS[one], **ROWS[other]}
    with pytest.raises(DataError, match=r"rows\.jsonl:7: the row fits several layouts") as caught:
        read(both)
    assert one in str(caught.value)
    assert other in str(caught.value)
    nulls = dict.fromkeys(ROWS[other], None)
    assert read({**ROWS[one], **nulls}) == read(ROWS[one])
    named = read(both, layout=one, ignored_keys=tuple(ROWS[other]))
    assert named == read(ROWS[one])
    with pytest.raises(DataError, match="unknown key"):
        read(both, layout=one)


def test_an_unknown_key_of_a_pair_is_refused_by_name():
    pair = {"prompt": "Hi", "chosen": "Hello", "rejected": "What?"}
    with pytest.raises(DataError, match=r"rows\.jsonl:7: unknown key 'margin'"):
        read_pair(RawRow(content={**pair, "margin": 0.5}, place=PLACE))
    row = RawRow(content={**pair, "margin": 0.5, "score_chosen": 9, "id": 1})
    assert read_pair(row, ignored_keys=["margin"]) == read_pair(RawRow(content=pair))
