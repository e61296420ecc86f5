"""The choice of the messages whose tokens have a loss."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tinker_core import DataError, Message
from tinker_render.rendered import Rendered
from tinker_render.segments import NO_MESSAGE


class TrainOnWhat(StrEnum):
    """The messages to train on. A message whose `trainable` is false is never trained on.

    Of an assistant message, the tokens that the model emits are trained on.
    """

    LAST_ASSISTANT_MESSAGE = "last_assistant_message"
    """The last assistant message."""
    LAST_ASSISTANT_TURN = "last_assistant_turn"
    """The assistant messages after the last user message: tool calls and the answer."""
    ALL_ASSISTANT_MESSAGES = "all_assistant_messages"
    """All assistant messages."""
    ALL_USER_AND_SYSTEM_MESSAGES = "all_user_and_system_messages"
    """All user, system and developer messages, to train a model of users."""
    ALL_MESSAGES = "all_messages"
    """The content of all messages, without headers."""
    ALL_TOKENS = "all_tokens"
    """All tokens, headers and default system prompt included, as in pretraining."""
    CUSTOMIZED = "customized"
    """The messages whose `trainable` is true; every message must set it."""


DEFAULT_TRAIN_ON_WHAT = TrainOnWhat.ALL_ASSISTANT_MESSAGES
"""The default of every function and setting that takes a `TrainOnWhat`."""

_NOT_THE_MODEL = frozenset(["user", "system", "developer"])


def trained_messages(messages: Sequence[Message], what: TrainOnWhat) -> list[int]:
    """Indices of the messages to train on, in order. Raises DataError if there is none."""
    assistant = [i for i, message in enumerate(messages) if message.role == "assistant"]
    match what:
        case TrainOnWhat.LAST_ASSISTANT_MESSAGE:
            chosen = assistant[-1:]
        case TrainOnWhat.LAST_ASSISTANT_TURN:
            last_user = max((i for i, m in enumerate(messages) if m.role == "user"), default=-1)
            chosen = [i for i in assistant if i > last_user]
        case TrainOnWhat.ALL_ASSISTANT_MESSAGES:
            chosen = assistant
        case TrainOnWhat.ALL_USER_AND_SYSTEM_MESSAGES:
            chosen = [i for i, message in enumerate(messages) if message.role in _NOT_THE_MODEL]
        case TrainOnWhat.CUSTOMIZED:
            chosen = _marked(messages)
        case TrainOnWhat.ALL_MESSAGES | TrainOnWhat.ALL_TOKENS:
            chosen = list(range(len(messages)))
    trained = [i for i in chosen if messages[i].trainable is not False]
    if not trained:
        excluded = f": weight 0 excludes {len(chosen)}" if chosen else ""
        raise DataError(f"no message to train on with {what.value}{excluded}", field="messages")
    return trained


def _marked(messages: Sequence[Message]) -> list[int]:
    for i, message in enumerate(messages):
        if message.trainable is None:
            problem = f"must be set for {TrainOnWhat.CUSTOMIZED.value}"
            raise DataError(problem, field=f"messages[{i}].trainable")
    return [i for i, message in enumerate(messages) if message.trainable]


def loss_weights(
    rendered: Rendered, trained: Sequence[int], what: TrainOnWhat
) -> NDArray[np.float32]:
    """1 for a token to train on, else 0, shape (T,). `trained` are indices of messages.

    With ALL_TOKENS, tokens of no message are trained on if the first message is.
    """
    chosen = list(trained)
    if what is TrainOnWhat.ALL_TOKENS:
        weights = _is_of(rendered, chosen + ([NO_MESSAGE] if 0 in chosen else []))
    else:
        weights = _is_of(rendered, chosen) & rendered.content
    for image in rendered.images:  # a model does not emit images
        weights[image.start : image.start + image.chunk.length] = False
    return weights.astype(np.float32)


def _is_of(rendered: Rendered, messages: Sequence[int]) -> NDArray[np.bool_]:
    """True if each token belongs to one of the messages, shape (T,)."""
    count = int(rendered.message.max(initial=NO_MESSAGE)) + 1
    wanted = np.zeros(count + 1, dtype=np.bool_)  # the last element is for NO_MESSAGE, -1
    wanted[[i for i in messages if i < count]] = True
    return wanted[rendered.message]
