"""Segments to tokens and back, for one tokenizer and one format's markers."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from attrs import define, field, frozen
from tinker.types import ImageChunk

from tinker_core import ConfigError, RenderError
from tinker_render.rendered import PlacedImage, Rendered
from tinker_render.segments import Segment
from tinker_render.tokenizer.word_cache import Words, words_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend
    from transformers import PreTrainedTokenizerBase

_STEERS = re.compile(
    "<[|\uff5c].*[|\uff5c]>$"  # the bar of ASCII, and DeepSeek's
    r"|</?(think|tool_call|tool_calls|tool_response|tools|arg_key|arg_value)>$"
)
_REMEMBERED = 100  # letters of markup at most
_SHORT, _MOST_SHORT = 16, 10_000  # letters of a text whose tokens are kept, and how many of them


@frozen
class Marker:
    """A control token in a reply, by its text."""

    text: str


Piece = str | Marker


@frozen(eq=False)
class Codec:
    """Encodes text as text, whatever stands in it; only a format's markup makes control tokens."""

    tokenizer: PreTrainedTokenizerBase
    markers: tuple[str, ...]
    """The control tokens that the format writes or reads. Raises ConfigError if one is missing."""
    ids: dict[str, int] = field(init=False)
    _names: dict[int, str] = field(init=False)
    _split: re.Pattern[str] = field(init=False)
    _literal: Backend = field(init=False)
    _words: Words | None = field(init=False)
    _short: dict[str, list[int]] = field(init=False, factory=dict)
    """Tokens of short texts: headers and newlines stand in every message."""
    _markup: dict[str, Sequence[tuple[str, bool]]] = field(init=False, factory=dict)
    """Markup that has been taken apart already: a format writes the same over and over."""

    def __attrs_post_init__(self) -> None:
        added = {token.content: id_ for id_, token in self.tokenizer.added_tokens_decoder.items()}
        missing = [marker for marker in self.markers if marker not in added]
        if missing:
            raise ConfigError(f"{_name_of(self.tokenizer)} lacks the control tokens {missing}")
        control = control_tokens(self.tokenizer) | set(self.markers)
        longest_first = sorted(self.markers, key=len, reverse=True)
        put = object.__setattr__  # the class is frozen
        put(self, "ids", {marker: added[marker] for marker in self.markers})
        put(self, "_names", {added[text]: text for text in control})
        put(self, "_split", re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})"))
        put(self, "_literal", _literal_backend(self.tokenizer, control))
        put(self, "_words", words_of(self._literal))

    def render(self, segments: Iterable[Segment]) -> Rendered:
        """The segments as tokens; adjacent text of one message is encoded in one piece.

        But not across the point from where on the model would emit: what it is given and what it
        emits meet there as two token sequences. Raises RenderError if text makes a control token.
        """
        runs = self._runs(segments)
        encoded = self.encode_all([text for run in runs for text in run.texts])
        tokens: list[int] = []
        origins, lengths = [], []
        images = []
        for run in runs:
            if run.image is not None:
                images.append(PlacedImage(len(tokens), run.image))
            for ids, content in run.parts(encoded):
                tokens += ids
                lengths.append(len(ids))
                origins.append((run.message, content, run.sampled))
        columns = np.repeat(np.array(origins, dtype=np.int64).reshape(-1, 3), lengths, axis=0).T
        return Rendered(
            tokens=np.array(tokens, dtype=np.int64),
            message=columns[0],
            content=columns[1].astype(np.bool_),
            sampled=columns[2].astype(np.bool_),
            images=tuple(images),
        )

    @property
    def control_names(self) -> Mapping[int, str]:
        """The name of every token that text cannot make."""
        return self._names

    @property
    def control_ids(self) -> frozenset[int]:
        """Every token that text cannot make."""
        return frozenset(self._names)

    def encode_all(self, texts: Sequence[str]) -> dict[str, list[int]]:
        """Each text's tokens, none of them a control token."""
        distinct = [text for text in dict.fromkeys(texts) if text not in self._short]
        by_words = {text: self._by_words(text) for text in distinct}
        encoded = {text: ids for text, ids in by_words.items() if ids is not None}
        others = [text for text, ids in by_words.items() if ids is None]
        encodings = self._literal.encode_batch_fast(others, add_special_tokens=False)
        encoded |= {text: e.ids for text, e in zip(others, encodings, strict=True)}
        self._check(encoded)
        if len(self._short) < _MOST_SHORT:
            self._short.update((t, ids) for t, ids in encoded.items() if len(t) <= _SHORT)
        return {text: encoded.get(text) or self._short.get(text, []) for text in texts}

    def _by_words(self, text: str) -> list[int] | None:
        return None if self._words is None else self._words.encode(text)

    def _check(self, encoded: Mapping[str, Sequence[int]]) -> None:
        for text, ids in encoded.items():
            if not self._names.keys().isdisjoint(ids):
                name = next(self._names[id_] for id_ in ids if id_ in self._names)
                raise RenderError(f"this tokenizer reads {name} out of the plain text {text!r:.80}")

    def pieces(self, tokens: Sequence[int]) -> list[Piece]:
        """The tokens as text and control tokens; no text is empty."""
        pieces: list[Piece] = []
        text: list[int] = []
        for token in [*tokens, None]:
            if token is not None and token not in self._names:
                text.append(token)
                continue
            if decoded := self.decode(text):
                pieces.append(decoded)
            text = []
            if token is not None:
                pieces.append(Marker(self._names[token]))
        return pieces

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, nothing skipped and nothing tidied up."""
        return self._literal.decode(tokens, skip_special_tokens=False) if tokens else ""

    def _runs(self, segments: Iterable[Segment]) -> list[_Run]:
        runs: list[_Run] = []
        for segment in segments:
            _, markup, message, content, sampled, image = segment
            if image is not None:
                runs.append(_Run(message, sampled, [0] * image.length, [], [content], image))
            for text, is_marker in self._taken_apart(segment.text, markup):
                if is_marker:
                    runs.append(_Run(message, sampled, [self.ids[text]], [], [content]))
                elif runs and runs[-1].texts and runs[-1].is_of(message, sampled):
                    runs[-1].add(text, content)
                else:
                    runs.append(_Run(message, sampled, [], [text], [content]))
        return runs

    def _taken_apart(self, text: str, markup: bool) -> Sequence[tuple[str, bool]]:
        """The text, and whether it is a marker; markup, as its markers and what stands between."""
        if not markup:
            return [(text, False)] if text else []
        known = self._markup.get(text)
        if known is None:
            known = [(part, part in self.ids) for part in self._split.split(text) if part]
            if len(text) <= _REMEMBERED:
                self._markup[text] = known
        return known


@define
class _Run:
    """A marker, an image, or the adjacent texts of one message that are encoded in one piece."""

    message: int
    sampled: bool
    ids: list[int]
    """Of a marker or an image."""
    texts: list[str]
    """The text up to every place where header and content meet, and at last the whole of it."""
    contents: list[bool]
    """Whether the part up to there is content."""
    image: ImageChunk | None = None

    def is_of(self, message: int, sampled: bool) -> bool:
        """Whether text of this origin goes on where this run ends."""
        return self.message == message and self.sampled == sampled

    def add(self, text: str, content: bool) -> None:
        """Go on by a text."""
        if content == self.contents[-1]:
            self.texts[-1] += text
        else:
            self.texts.append(self.texts[-1] + text)
            self.contents.append(content)

    def parts(self, encoded: Mapping[str, list[int]]) -> Iterable[tuple[list[int], bool]]:
        """Tokens, and whether they are content."""
        if not self.texts:
            yield self.ids, self.contents[0]
            return
        ids, start = encoded[self.texts[-1]], 0
        for cut, content in zip(self.texts[:-1], self.contents, strict=False):
            # a token that straddles belongs to the right
            stop = max(start, _common_length(ids, encoded[cut]))
            yield ids[start:stop], content
            start = stop
        yield ids[start:] if start else ids, self.contents[-1]


def control_tokens(tokenizer: PreTrainedTokenizerBase, source: str = "") -> set[str]:
    """The added tokens that steer a model, those of formats other than the one in use included.

    Those are the special ones, the `<|bracketed|>` ones, the tags of reasoning and tools, and what
    stands in `source`. Others, as HTML tags and runs of spaces in some vocabularies, are words.
    """
    return {
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special or _STEERS.match(token.content) or token.content in source
    }


def _common_length(a: Sequence[int], b: Sequence[int]) -> int:
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def _literal_backend(tokenizer: PreTrainedTokenizerBase, control: set[str]) -> Backend:
    """A copy of the tokenizer that takes control tokens in text for text.

    A copy, since the marks would change what the user's tokenizer does, and since transformers
    leaves truncation and padding of its last call switched on.
    """
    from tokenizers import AddedToken

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConfigError(f"{_name_of(tokenizer)} is not a tokenizer of the `tokenizers` library")
    literal: Backend = copy.deepcopy(backend)
    literal.no_truncation()
    literal.no_padding()
    literal.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in control]
    )
    literal.encode_special_tokens = True
    return literal


def _name_of(tokenizer: PreTrainedTokenizerBase) -> str:
    return f"the tokenizer {getattr(tokenizer, 'name_or_path', '') or type(tokenizer).__name__!r}"
