"""Which messages are trained on."""

import inspect

import pytest

from tinker_core import DataError, as_conversation
from tinker_render import Renderer, TrainOnWhat
from tinker_render.cli.command_line import Show
from tinker_render.train_on_what import DEFAULT_TRAIN_ON_WHAT, trained_messages

SAID = [("system", 1), ("user", 0), ("assistant", 0), ("user", None), ("assistant", None)]
SAID += [("assistant", 1)]
MESSAGES = as_conversation([{"role": r, "content": r, "weight": w} for r, w in SAID])
ALLOWED = [0, 3, 4, 5]  # those without weight 0


@pytest.mark.parametrize(
    ("what", "chosen"),
    [
        (TrainOnWhat.LAST_ASSISTANT_MESSAGE, [5]),
        (TrainOnWhat.LAST_ASSISTANT_TURN, [4, 5]),
        (TrainOnWhat.ALL_ASSISTANT_MESSAGES, [4, 5]),
        (TrainOnWhat.ALL_USER_AND_SYSTEM_MESSAGES, [0, 3]),
        (TrainOnWhat.ALL_MESSAGES, ALLOWED),
        (TrainOnWhat.ALL_TOKENS, ALLOWED),
    ],
)
def test_a_message_of_weight_0_is_never_trained_on(what, chosen):
    assert trained_messages(MESSAGES, what) == chosen


def test_weights_decide_alone_where_they_are_asked_for():
    messages = as_conversation(
        [{"role": "user", "content": "x", "weight": n % 2} for n in range(4)]
    )
    assert trained_messages(messages, TrainOnWhat.CUSTOMIZED) == [1, 3]


@pytest.mark.parametrize("what", list(TrainOnWhat))
def test_weight_0_on_every_message_leaves_nothing_to_train_on(renderer_of, what):
    messages = [{"role": role, "content": "x", "weight": 0} for role in ("user", "assistant")]
    with pytest.raises(DataError, match="no message to train on"):
        renderer_of("chatml_plain").build_supervised_examples(messages, what)


def test_a_bad_answer_has_no_loss(renderer_of):
    renderer = renderer_of("chatml_plain")
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "BAD", "weight": 0},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "good"},
    ]
    model_input, weights = renderer.build_supervised_example(messages)
    tokens = [t for t, w in zip(model_input.to_ints(), weights, strict=True) if w]
    assert renderer.tokenizer.decode(tokens) == "good<|im_end|>"


def test_there_is_one_default():
    methods = (Renderer.build_supervised_example, Renderer.build_supervised_examples)
    defaults = [inspect.signature(m).parameters["train_on_what"].default for m in methods]
    defaults.append(inspect.signature(Show).parameters["train_on_what"].default)
    assert set(defaults) == {DEFAULT_TRAIN_ON_WHAT} == {TrainOnWhat.ALL_ASSISTANT_MESSAGES}
