"""Text <-> tokens with the model's own tokenizer and chat template.

Text in a chat cannot forge control tokens. Where it spells one, it is encoded letter by letter;
the control tokens that the template writes stay what they are.
"""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from attrs import define, field

from tinker_local.errors import RequestError
from tinker_local.model.tokenizer import load_tokenizer
from tinker_local.sampling.detokenizer import Detokenizer
from tinker_local.service.loaded_models import ModelLocation
from tinker_local.service.service import Service

MAX_TOKENIZERS = 8
_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


@define(kw_only=True, eq=False)
class ChatTokenizer:
    """A model's tokenizer. Encoding and decoding may run in different threads."""

    name: str
    """The name of the model."""
    tokenizer: Any = field(repr=False)
    control: Mapping[str, int]
    """The control tokens (special tokens) by their text."""
    byte_level: bool
    """Tokens spell bytes in GPT-2's alphabet."""
    _literal: Any = None

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens, without control tokens."""
        return str(
            self.tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def detokenizer(self) -> Detokenizer:
        """Incremental `decode`."""
        return Detokenizer(self.tokenizer, skip_special_tokens=True)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text in which control tokens can be written out."""
        tokens: list[int] = self.tokenizer(text)["input_ids"]
        return tokens

    def encode_literally(self, text: str) -> list[int]:
        """The tokens of a text in which nothing is a control token."""
        if self._literal is None:
            literal = copy.deepcopy(self.tokenizer.backend_tokenizer)
            literal.encode_special_tokens = True
            self._literal = literal
        tokens: list[int] = self._literal.encode(text, add_special_tokens=False).ids
        if not self.control_ids.isdisjoint(tokens):
            raise RequestError(f"{self.name} cannot encode {text!r} without control tokens")
        return tokens

    @cached_property
    def control_ids(self) -> frozenset[int]:
        """The ids of the control tokens."""
        return frozenset(self.control.values())

    def bytes_of(self, token: int) -> bytes | None:
        """The bytes that a token adds to a text; None for a control token, which adds nothing."""
        if token in self.control_ids:
            return None
        piece: str | None = self.tokenizer.convert_ids_to_tokens(token)
        if piece is None:  # the vocabulary is padded
            return b""
        alphabet = _byte_of_letter()
        if self.byte_level and all(letter in alphabet for letter in piece):
            return bytes(alphabet[letter] for letter in piece)
        byte = _BYTE_PIECE.fullmatch(piece)
        return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()

    def spell(self, token: int) -> str:
        """A token by itself, with U+FFFD for bytes that are no whole character."""
        raw = self.bytes_of(token)
        if raw is None:
            return str(self.tokenizer.convert_ids_to_tokens(token))
        return raw.decode(errors="replace")


@lru_cache
def _byte_of_letter() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes stand for themselves, the others follow from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


def load_chat_tokenizer(folder: Path, name: str) -> ChatTokenizer:
    """The chat tokenizer of a model's folder. RequestError when it has none that we can use."""
    tokenizer = load_tokenizer(folder)
    if tokenizer is None:
        raise RequestError(f"{name} has no tokenizer: use token ids, and the Tinker API")
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise RequestError(
            f"{name}: its tokenizer {type(tokenizer).__name__} is not of the tokenizers library"
        )
    added = backend.get_added_tokens_decoder()
    return ChatTokenizer(
        name=name,
        tokenizer=tokenizer,
        control={token.content: number for number, token in added.items() if token.special},
        byte_level=b"ByteLevel" in backend.decoder.__getstate__(),
    )


@define(eq=False)
class ChatTokenizers:
    """The loaded chat tokenizers, by the folder of their model."""

    by_folder: dict[Path, ChatTokenizer] = field(factory=dict)

    async def get(self, service: Service, model: ModelLocation) -> ChatTokenizer:
        """A model's chat tokenizer. The worker loads it, because it alone imports transformers."""
        if model.folder not in self.by_folder:
            load = partial(load_chat_tokenizer, model.folder, model.name)
            loaded = await service.worker.call(load)
            while len(self.by_folder) >= MAX_TOKENIZERS:
                del self.by_folder[next(iter(self.by_folder))]
            self.by_folder[model.folder] = loaded
        return self.by_folder[model.folder]


def encode_chat(
    tokenizer: ChatTokenizer,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None,
    options: Mapping[str, Any],
) -> list[int]:
    """The tokens of a chat in the model's template, up to where the reply begins.

    Every control token in a string of the chat is replaced by a random word before rendering, and
    by its letters after it.
    """
    if tokenizer.tokenizer.chat_template is None:
        raise RequestError(f"{tokenizer.name} has no chat template: use /v1/completions")
    word = f"x{secrets.token_hex(8)}x"
    texts = list(tokenizer.control)
    spelled = re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)")

    def hide(text: str) -> str:
        return spelled.sub(lambda match: f"{word}{texts.index(match[0])}x", text)

    try:
        rendered = tokenizer.tokenizer.apply_chat_template(
            _map_strings(messages, hide),
            tools=_map_strings(tools, hide),
            add_generation_prompt=True,
            tokenize=False,
            **_map_strings(options, hide),
        )
    except Exception as error:  # a template is the model's program, and may raise anything
        reason = f"{type(error).__name__}: {error}".replace(word, "")
        raise RequestError(
            f"messages: the chat template of {tokenizer.name} refuses them: {reason}",
            field="messages",
        ) from error
    return _encode_around(tokenizer, rendered, re.compile(rf"{word}(\d+)x"), texts)


def _encode_around(
    tokenizer: ChatTokenizer, rendered: str, hidden: re.Pattern[str], texts: list[str]
) -> list[int]:
    """Encode a rendered chat; what was hidden is encoded literally."""
    tokens: list[int] = []
    for index, part in enumerate(hidden.split(rendered)):
        if index % 2:
            tokens += tokenizer.encode_literally(texts[int(part)])
        elif part:
            tokens += tokenizer.tokenizer(part, add_special_tokens=False)["input_ids"]
    return tokens


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """The same JSON value with every string changed, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_strings(item, change) for item in value]
    if isinstance(value, Mapping):
        return {change(name): _map_strings(item, change) for name, item in value.items()}
    return value
