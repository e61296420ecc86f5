"""Encode segments and decode tokens, for one tokenizer and the control tokens of one format."""

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
from tinker_render.tokenizer.word_cache import WordCache, word_cache_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend
    from transformers import PreTrainedTokenizerBase

_CONTROL = re.compile(
    "<[|\uff5c].*[|\uff5c]>$"  # with the bar of ASCII, or DeepSeek's fullwidth bar
    r"|</?(think|tool_call|tool_calls|tool_response|tools|arg_key|arg_value)>$"
)
_LONGEST_CACHED_MARKUP = 100  # characters
_LONGEST_CACHED_TEXT, _MOST_CACHED_TEXTS = 16, 10_000  # characters, texts


@frozen
class ControlToken:
    """A control token in a reply, by its text."""

    text: str


Piece = str | ControlToken
"""Text between control tokens, or one control token."""


def text_of(pieces: Iterable[Piece]) -> str:
    """The pieces as text, control tokens spelled out."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)


@frozen(eq=False)
class Codec:
    """Encodes text without control tokens; only markup of a format becomes control tokens."""

    tokenizer: PreTrainedTokenizerBase
    control_tokens: tuple[str, ...]
    """The control tokens that the format writes or reads. A missing one raises ConfigError."""
    ids: dict[str, int] = field(init=False)
    _names: dict[int, str] = field(init=False)
    _split: re.Pattern[str] = field(init=False)
    _literal: Backend = field(init=False)
    _words: WordCache | None = field(init=False)
    _short: dict[str, list[int]] = field(init=False, factory=dict)
    """Tokens of short texts: headers and newlines occur in every message."""
    _markup: dict[str, Sequence[tuple[str, bool]]] = field(init=False, factory=dict)
    """Markup split at its control tokens: a format writes the same markup again and again."""

    def __attrs_post_init__(self) -> None:
        added = {token.content: id_ for id_, token in self.tokenizer.added_tokens_decoder.items()}
        missing = [token for token in self.control_tokens if token not in added]
        if missing:
            raise ConfigError(f"{_name_of(self.tokenizer)} lacks the control tokens {missing}")
        control = find_control_tokens(self.tokenizer) | set(self.control_tokens)
        longest_first = sorted(self.control_tokens, key=len, reverse=True)
        put = object.__setattr__  # the class is frozen
        put(self, "ids", {token: added[token] for token in self.control_tokens})
        put(self, "_names", {added[text]: text for text in control})
        put(self, "_split", re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})"))
        put(self, "_literal", _literal_backend(self.tokenizer, control))
        put(self, "_words", word_cache_of(self._literal))

    def render(self, segments: Iterable[Segment]) -> Rendered:
        """The segments as tokens; adjacent text of one message is encoded in one piece.

        Text that the model emits is encoded apart from text that the prompt supplies: the two meet
        as token sequences. Raises RenderError if the tokenizer makes a control token out of text.
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
        """The text of every control token by its id; text never encodes to these ids."""
        return self._names

    @property
    def backend(self) -> Backend:
        """The tokenizer of the `tokenizers` library that takes control tokens in text for text."""
        return self._literal

    def encode_all(self, texts: Sequence[str]) -> dict[str, list[int]]:
        """The tokens of each text, without control tokens."""
        distinct = [text for text in dict.fromkeys(texts) if text not in self._short]
        by_words = {text: self._by_words(text) for text in distinct}
        encoded = {text: ids for text, ids in by_words.items() if ids is not None}
        others = [text for text, ids in by_words.items() if ids is None]
        encodings = self._literal.encode_batch_fast(others, add_special_tokens=False)
        encoded |= {text: e.ids for text, e in zip(others, encodings, strict=True)}
        self._check(encoded)
        if len(self._short) < _MOST_CACHED_TEXTS:
            short = {t: ids for t, ids in encoded.items() if len(t) <= _LONGEST_CACHED_TEXT}
            self._short.update(short)
        return {text: encoded.get(text) or self._short.get(text, []) for text in texts}

    def _by_words(self, text: str) -> list[int] | None:
        return None if self._words is None else self._words.encode(text)

    def _check(self, encoded: Mapping[str, Sequence[int]]) -> None:
        for text, ids in encoded.items():
            if not self._names.keys().isdisjoint(ids):
                name = next(self._names[id_] for id_ in ids if id_ in self._names)
                raise RenderError(f"this tokenizer reads {name} out of the plain text {text!r:.80}")

    def pieces(self, tokens: Sequence[int]) -> list[Piece]:
        """The tokens as texts and control tokens; no text is empty.

        An id that the vocabulary lacks becomes a control token that no format knows: models have
        more logits than their vocabularies have tokens.
        """
        pieces: list[Piece] = []
        text: list[int] = []
        for token in [*tokens, None]:
            if token is not None and (name := self.control_name(token)) is None:
                text.append(token)
                continue
            if decoded := self.decode(text):
                pieces.append(decoded)
            text = []
            if token is not None and name is not None:
                pieces.append(ControlToken(name))
        return pieces

    def control_name(self, token: int) -> str | None:
        """The text of a control token or unknown id, None for a token of text."""
        name = self._names.get(token)
        if name is not None or self._is_known(token):
            return name
        return f"[token {token}, which is not in the vocabulary]"

    def _is_known(self, token: int) -> bool:
        try:
            return self._literal.id_to_token(token) is not None
        except OverflowError:  # below zero, or more than 32 bits
            return False

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without skipped tokens and without clean-up."""
        return self._literal.decode(tokens, skip_special_tokens=False) if tokens else ""

    def _runs(self, segments: Iterable[Segment]) -> list[_Run]:
        runs: list[_Run] = []
        for segment in segments:
            _, markup, message, content, sampled, image = segment
            if image is not None:
                runs.append(_Run(message, sampled, [0] * image.length, [], [content], image))
            parts = self._split_markup(segment.text, markup)
            if sampled and not parts:
                parts = [("", False)]  # a prompt ends here, also where nothing follows
            for text, is_control in parts:
                if is_control:
                    runs.append(_Run(message, sampled, [self.ids[text]], [], [content]))
                elif runs and runs[-1].texts and runs[-1].continues(message, sampled):
                    runs[-1].add(text, content)
                else:
                    runs.append(_Run(message, sampled, [], [text], [content]))
        return runs

    def _split_markup(self, text: str, markup: bool) -> Sequence[tuple[str, bool]]:
        """The parts of the text, each with whether it is a control token."""
        if not markup:
            return [(text, False)] if text else []
        known = self._markup.get(text)
        if known is None:
            known = [(part, part in self.ids) for part in self._split.split(text) if part]
            if len(text) <= _LONGEST_CACHED_MARKUP:
                self._markup[text] = known
        return known


@define
class _Run:
    """A control token, an image, or adjacent texts of one message that are encoded in one piece."""

    message: int
    sampled: bool
    ids: list[int]
    """The tokens of a control token or an image."""
    texts: list[str]
    """The text up to each place where header and content meet, and last the whole text."""
    contents: list[bool]
    """True if the text between two of these places is content."""
    image: ImageChunk | None = None

    def continues(self, message: int, sampled: bool) -> bool:
        """True if text of this origin belongs to this run."""
        return self.message == message and self.sampled == sampled

    def add(self, text: str, content: bool) -> None:
        """Append a text."""
        if content == self.contents[-1]:
            self.texts[-1] += text
        else:
            self.texts.append(self.texts[-1] + text)
            self.contents.append(content)

    def parts(self, encoded: Mapping[str, list[int]]) -> Iterable[tuple[list[int], bool]]:
        """Token lists, each with whether it is content."""
        if not self.texts:
            yield self.ids, self.contents[0]
            return
        ids, start = encoded[self.texts[-1]], 0
        for cut, content in zip(self.texts[:-1], self.contents, strict=False):
            # a token on both sides of the cut belongs to the right side
            stop = max(start, _common_length(ids, encoded[cut]))
            yield ids[start:stop], content
            start = stop
        yield ids[start:] if start else ids, self.contents[-1]


def find_control_tokens(tokenizer: PreTrainedTokenizerBase, source: str = "") -> set[str]:
    """The added tokens that control a model, including those of other formats.

    These are special tokens, tokens in `<|bars|>`, the tags of reasoning and tools, and added
    tokens that occur in `source`. Other added tokens are words: HTML tags and runs of spaces in
    some vocabularies.
    """
    return {
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special or _CONTROL.match(token.content) or token.content in source
    }


def _common_length(a: Sequence[int], b: Sequence[int]) -> int:
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def _literal_backend(tokenizer: PreTrainedTokenizerBase, control: set[str]) -> Backend:
    """A copy of the tokenizer that takes control tokens in text for text.

    It is a copy because the changes would affect the tokenizer of the user, and because
    transformers leaves truncation and padding of the last call switched on.
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
