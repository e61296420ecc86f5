"""Conversations to datums."""

import numpy as np
import pytest
import tinker

from tinker_core import DataError, Message
from tinker_data import (
    Conversation,
    Place,
    Rendering,
    conversation_to_datum,
    normalise_weights,
    render_conversation,
)
from tinker_render import TrainOnWhat

QUESTION = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "abcd"}
PROMPT_LENGTH = len("user\nhello\n") + len("assistant\n") + 3  # im_start, im_end, im_start
LENGTH = PROMPT_LENGTH + len("abcd") + 1  # im_end


def weights(datum):
    return np.asarray(datum.loss_fn_inputs["weights"].to_numpy())


def targets(datum):
    return np.asarray(datum.loss_fn_inputs["target_tokens"].to_numpy())


def render(conversation, renderer, **options):
    return render_conversation(conversation, renderer, Rendering(**options))


@pytest.fixture
def conversation():
    return Conversation(messages=[QUESTION, ANSWER], place=Place(file="rows.jsonl", row=3))


def test_the_loss_counts_the_answer_and_its_end_and_nothing_else(renderer):
    datum = conversation_to_datum([QUESTION, ANSWER], renderer, reduction="none")
    assert datum.model_input.length == LENGTH - 1
    trained = targets(datum)[weights(datum) > 0]
    assert renderer.tokenizer.decode(trained.tolist()) == "abcd<|im_end|>"
    assert set(weights(datum)) == {0.0, 1.0}


def test_by_default_the_weights_of_a_datum_are_a_mean(renderer):
    datum = conversation_to_datum([Message(role="user", content="hello"), ANSWER], renderer)
    assert weights(datum).sum() == pytest.approx(1.0)
    assert weights(datum).max() == pytest.approx(1 / 5)  # a, b, c, d, im_end


def test_which_messages_are_trained_on_can_be_said(renderer):
    talk = [QUESTION, ANSWER, QUESTION, ANSWER]
    every = conversation_to_datum(talk, renderer, reduction="none")
    last = conversation_to_datum(
        talk,
        renderer,
        train_on_what=TrainOnWhat.LAST_ASSISTANT_MESSAGE,
        reduction="none",
    )
    assert weights(every).sum() == 2 * weights(last).sum() == 10


def test_a_conversation_as_long_as_allowed_is_left_alone(renderer, conversation):
    rendered = render(conversation, renderer, max_length=LENGTH)
    assert rendered.num_truncated == rendered.num_dropped == 0
    assert weights(rendered.datums[0]).sum() == 5


def test_a_longer_one_is_cut_from_the_right_and_counted(renderer, conversation):
    rendered = render(conversation, renderer, max_length=LENGTH - 2)
    assert (rendered.num_truncated, rendered.num_dropped) == (1, 0)
    assert rendered.datums[0].model_input.length == LENGTH - 3  # one less: inputs and targets
    assert weights(rendered.datums[0]).sum() == 3  # a, b, c


def test_one_whose_answer_begins_after_the_cut_is_dropped_and_counted(renderer, conversation):
    rendered = render(conversation, renderer, max_length=PROMPT_LENGTH)
    assert rendered.datums == ()
    assert (rendered.num_truncated, rendered.num_dropped) == (0, 1)
    assert render(conversation, renderer, max_length=PROMPT_LENGTH + 1).num_truncated == 1


def test_a_longer_one_is_dropped_and_counted_where_the_policy_says_so(renderer, conversation):
    rendered = render(conversation, renderer, max_length=LENGTH - 1, too_long="drop")
    assert rendered.datums == ()
    assert (rendered.num_truncated, rendered.num_dropped) == (0, 1)


def test_a_longer_one_is_an_error_with_its_place_where_the_policy_says_so(renderer, conversation):
    with pytest.raises(DataError, match=rf"rows.jsonl:3: {LENGTH} tokens, over max_length=20"):
        render(conversation, renderer, max_length=20, too_long="error")


def test_what_cannot_be_rendered_is_an_error_with_its_place(renderer):
    talk = Conversation(messages=[QUESTION, ANSWER], place=Place(file="rows.jsonl", row=9))
    with pytest.raises(DataError, match=r"rows.jsonl:9: .*trainable"):
        render(talk, renderer, train_on_what=TrainOnWhat.CUSTOMIZED)


def datum_with(weights_N):
    return tinker.Datum(
        model_input=tinker.ModelInput.from_ints([1] * len(weights_N)),
        loss_fn_inputs={
            "target_tokens": tinker.TensorData.from_numpy(np.ones(len(weights_N), dtype=np.int64)),
            "weights": tinker.TensorData.from_numpy(np.array(weights_N, dtype=np.float32)),
        },
    )


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        # three tokens count in all: each is a third of the loss
        ("token", [[0, 1 / 3], [1 / 3, 1 / 3]]),
        # two datums: the first is half of the loss, the second's two tokens a quarter each
        ("sequence", [[0, 1 / 2], [1 / 4, 1 / 4]]),
        ("none", [[0, 1], [1, 1]]),
    ],
)
def test_the_loss_of_a_batch_is_the_mean_that_was_asked_for(how, expected):
    made = normalise_weights([datum_with([0, 1]), datum_with([1, 1])], how)
    assert np.allclose([weights(datum) for datum in made], expected)
