"""Tokens of plain ASCII text, word by word: the tokenizer is asked once for each word.

Byte-level BPE cuts a text into words with one regular expression and never merges across them, so
the tokens of a word are the same wherever it stands. Looking them up takes a third of the time of
encoding. In ASCII no two regex engines disagree about what a letter is, and no normalizer has
anything to do; any other text, and any tokenizer of another kind, goes the usual way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_BEYOND = re.compile(r"[^\t\n\r -~]")
_TRIAL = "".join(map(chr, range(32, 127))) + " It's  fine,\n\n\tI'LL be\r\n 1234 x_y  \n "
_BYTE_LEVEL = str.maketrans({" ": "\u0120", "\n": "\u010a", "\t": "\u0109", "\r": "\u010d"})
"""How byte-level vocabularies spell the bytes of ASCII that are not printed."""
_MOST = 200_000


class _Known(dict[str, list[int]]):
    """The tokens of words; a word that is not there is looked up."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __missing__(self, word: str) -> list[int]:
        if len(self) >= _MOST:
            self.clear()
        tokens = self.backend.model.tokenize(word.translate(_BYTE_LEVEL))
        self[word] = [token.id for token in tokens]
        return self[word]


@frozen(eq=False)
class Words:
    """The words of one tokenizer."""

    _word: re.Pattern[str]
    _known: _Known

    def encode(self, text: str) -> list[int] | None:
        """The text's tokens; None if it is more than ASCII."""
        if _BEYOND.search(text):
            return None
        words = self._word.findall(text)
        return list(chain.from_iterable(map(self._known.__getitem__, words)))


def words_of(backend: Backend) -> Words | None:
    """The words of a tokenizer, or None if it is not of the kind, or a trial comes out otherwise.

    Its control tokens must have been made text (`encode_special_tokens`).
    """
    pattern = _pattern(backend)
    if pattern is None:
        return None
    regex = import_module("regex")  # it has no annotations
    words = Words(regex.compile(pattern), _Known(backend))
    expected = backend.encode(_TRIAL, add_special_tokens=False).ids
    return words if words.encode(_TRIAL) == expected else None


def _pattern(backend: Backend) -> str | None:
    """The expression that cuts into words, if that and nothing else comes before BPE."""
    others = (token for token in backend.get_added_tokens_decoder().values() if not token.special)
    if any(others) or not _is_plain_bpe(backend.model):
        return None
    if backend.normalizer is not None and _state(backend.normalizer) != {"type": "NFC"}:
        return None
    match _state(backend.pre_tokenizer) if backend.pre_tokenizer else None:
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"pattern": {"Regex": str(pattern)}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        }:
            return pattern
    return None


def _is_plain_bpe(model: Any) -> bool:
    from tokenizers.models import BPE

    extras: Iterable[str] = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
    return isinstance(model, BPE) and not any(getattr(model, name) for name in extras)


def _state(part: Any) -> Any:
    """A normalizer or pre-tokenizer as the file of the tokenizer has it."""
    return json.loads(part.__getstate__())
