"""A cache of the tokens of words, for ASCII text.

Byte-level BPE splits a text into words with one regular expression and never merges across words,
so a word has the same tokens in every text. Looking them up takes a third of the time of encoding.
For ASCII, all regular expression engines agree on what a letter is, and no normalizer changes
anything. Other text and other kinds of tokenizers are encoded by the `tokenizers` library.
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
"""The spelling of white space in byte-level vocabularies."""
_MOST_WORDS = 200_000


class _Tokens(dict[str, list[int]]):
    """The tokens of each word; a missing word is encoded."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __missing__(self, word: str) -> list[int]:
        if len(self) >= _MOST_WORDS:
            self.clear()
        tokens = self.backend.model.tokenize(word.translate(_BYTE_LEVEL))
        self[word] = [token.id for token in tokens]
        return self[word]


@frozen(eq=False)
class WordCache:
    """The tokens of the words of one tokenizer."""

    _word: re.Pattern[str]
    _tokens: _Tokens

    def encode(self, text: str) -> list[int] | None:
        """The tokens of the text; None if it is not printable ASCII."""
        if _BEYOND.search(text):
            return None
        words = self._word.findall(text)
        return list(chain.from_iterable(map(self._tokens.__getitem__, words)))


def word_cache_of(backend: Backend) -> WordCache | None:
    """The word cache of a tokenizer; None for another kind of tokenizer or if a trial differs.

    The tokenizer must encode control tokens as text (`encode_special_tokens`).
    """
    pattern = _pattern(backend)
    if pattern is None:
        return None
    regex = import_module("regex")  # it has no annotations
    words = WordCache(regex.compile(pattern), _Tokens(backend))
    expected = backend.encode(_TRIAL, add_special_tokens=False).ids
    return words if words.encode(_TRIAL) == expected else None


def _pattern(backend: Backend) -> str | None:
    """The expression that splits a text into words, if BPE follows it directly."""
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
    """The state of a normalizer or pre-tokenizer, as in `tokenizer.json`."""
    return json.loads(part.__getstate__())
