"""Which tokens of a conversation the loss counts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tinker_core import DataError, Message
from tinker_render.rendered import Rendered
from tinker_render.segments import NO_MESSAGE


class TrainOnWhat(StrEnum):
    """Which messages to train on. Of an assistant's message that is what the model would emit."""

    LAST_ASSISTANT_MESSAGE = "last_assistant_message"
    """The last message of the assistant alone."""
    LAST_ASSISTANT_TURN = "last_assistant_turn"
    """Every message of the assistant after the last of the user: its tool calls and its answer."""
    ALL_ASSISTANT_MESSAGES = "all_assistant_messages"
    """Every message of the assistant."""
    ALL_USER_AND_SYSTEM_MESSAGES = "all_user_and_system_messages"
    """What user, system and developer say, as for a model of users."""
    ALL_MESSAGES = "all_messages"
    """What anybody says, without the headers around it."""
    ALL_TOKENS = "all_tokens"
    """Headers and default system prompt too, as in pretraining."""
    CUSTOMIZED = "customized"
    """The messages whose `trainable` is true; every message must say."""


_SAID_BY_OTHERS = frozenset(["user", "system", "developer"])


def trained_messages(messages: Sequence[Message], what: TrainOnWhat) -> list[int]:
    """Indices of the messages to train on, in order. Raises DataError when there is none."""
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
            chosen = [i for i, message in enumerate(messages) if message.role in _SAID_BY_OTHERS]
        case TrainOnWhat.CUSTOMIZED:
            chosen = _marked(messages)
        case TrainOnWhat.ALL_MESSAGES | TrainOnWhat.ALL_TOKENS:
            chosen = list(range(len(messages)))
    if not chosen:
        raise DataError(f"no message to train on with {what.value}", field="messages")
    return chosen


def _marked(messages: Sequence[Message]) -> list[int]:
    for i, message in enumerate(messages):
        if message.trainable is None:
            problem = f"must be given for {TrainOnWhat.CUSTOMIZED.value}"
            raise DataError(problem, field=f"messages[{i}].trainable")
    return [i for i, message in enumerate(messages) if message.trainable]


def loss_weights(
    rendered: Rendered, trained: Sequence[int], what: TrainOnWhat
) -> NDArray[np.float32]:
    """1 for a token to train on, else 0, shape (T,). `trained` are the messages' indices.

    Under ALL_TOKENS what belongs to no message counts if the first message does.
    """
    chosen = list(trained)
    if what is TrainOnWhat.ALL_TOKENS:
        chosen += [NO_MESSAGE] if 0 in chosen else []
        return _is_of(rendered, chosen).astype(np.float32)
    return (_is_of(rendered, chosen) & rendered.content).astype(np.float32)


def _is_of(rendered: Rendered, messages: Sequence[int]) -> NDArray[np.bool_]:
    """Whether a token belongs to one of the messages, shape (T,)."""
    count = int(rendered.message.max(initial=NO_MESSAGE)) + 1
    wanted = np.zeros(count + 1, dtype=np.bool_)  # its last element is that of NO_MESSAGE, -1
    wanted[[i for i in messages if i < count]] = True
    return wanted[rendered.message]
