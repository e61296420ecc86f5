"""Text <-> tokens with a model's own tokenizer and chat template, for the OpenAI-compatible routes.

Text of a chat cannot forge control tokens: what reads like one inside a message is encoded letter
by letter, while those that the template writes stay what they are.
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
from tinker_local.service.loaded_models import ModelName
from tinker_local.service.service import Service

MAX_CODECS = 8
_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


@define(kw_only=True, eq=False)
class Codec:
    """A model's tokenizer; encoding and decoding may run in different threads."""

    name: str
    tokenizer: Any = field(repr=False)
    control: Mapping[str, int]
    """Special tokens by their text."""
    byte_level: bool
    """Whether pieces spell bytes in GPT-2's alphabet."""
    _literal: Any = None

    @property
    def decode(self) -> Callable[[list[int]], str]:
        """Tokens to text, control tokens left out."""
        return partial(
            self.tokenizer.decode, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def encode(self, text: str) -> list[int]:
        """A raw text, in which control tokens can be written out, as the tokenizer reads it."""
        tokens: list[int] = self.tokenizer(text)["input_ids"]
        return tokens

    def encode_literally(self, text: str) -> list[int]:
        """A text in which nothing is a control token."""
        if self._literal is None:
            literal = copy.deepcopy(self.tokenizer.backend_tokenizer)
            literal.encode_special_tokens = True
            self._literal = literal
        tokens: list[int] = self._literal.encode(text, add_special_tokens=False).ids
        if not self.control_ids.isdisjoint(tokens):
            raise RequestError(f"{self.name} cannot encode {text!r} as plain text")
        return tokens

    @cached_property
    def control_ids(self) -> frozenset[int]:
        return frozenset(self.control.values())

    def bytes_of(self, token: int) -> bytes | None:
        """What a token adds to a text; None for a control token, which adds nothing."""
        if token in self.control_ids:
            return None
        piece: str | None = self.tokenizer.convert_ids_to_tokens(token)
        if piece is None:  # the vocabulary is padded
            return b""
        letters = _bytes_by_letter()
        if self.byte_level and all(letter in letters for letter in piece):
            return bytes(letters[letter] for letter in piece)
        byte = _BYTE_PIECE.fullmatch(piece)
        return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()

    def spell(self, token: int) -> str:
        """A token by itself; bytes that are no whole character read as U+FFFD."""
        raw = self.bytes_of(token)
        if raw is None:
            return str(self.tokenizer.convert_ids_to_tokens(token))
        return raw.decode(errors="replace")


@lru_cache
def _bytes_by_letter() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes are themselves, the others follow after U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


def load_codec(folder: Path, name: str) -> Codec:
    """The tokenizer in a model's folder; `RequestError` when there is none."""
    from transformers import AutoTokenizer

    if not any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json")):
        raise RequestError(f"{name} has no tokenizer, so it takes and gives tokens only")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    backend = tokenizer.backend_tokenizer
    added = backend.get_added_tokens_decoder()
    return Codec(
        name=name,
        tokenizer=tokenizer,
        control={token.content: number for number, token in added.items() if token.special},
        byte_level=b"ByteLevel" in backend.decoder.__getstate__(),
    )


@define(eq=False)
class ChatTokenizers:
    """The chat tokenizers in memory, by the folder of their model."""

    by_folder: dict[Path, Codec] = field(factory=dict)

    async def get(self, service: Service, model: ModelName) -> Codec:
        """A base model's tokenizer, loaded by the worker, which alone imports transformers."""
        if model.folder not in self.by_folder:
            codec = await service.scheduler.call(partial(load_codec, model.folder, model.name))
            while len(self.by_folder) >= MAX_CODECS:
                del self.by_folder[next(iter(self.by_folder))]
            self.by_folder[model.folder] = codec
        return self.by_folder[model.folder]


def encode_chat(
    codec: Codec,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None,
    options: Mapping[str, Any],
) -> list[int]:
    """A chat in the model's own template, up to where its answer begins.

    Every control token that stands in a string of the chat is replaced by a random word before
    rendering, and by its letters after it.
    """
    if codec.tokenizer.chat_template is None:
        raise RequestError(f"{codec.name} has no chat template; use /v1/completions")
    word = f"x{secrets.token_hex(8)}x"
    texts = list(codec.control)
    spelled = re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)")

    def hide(text: str) -> str:
        return spelled.sub(lambda match: f"{word}{texts.index(match[0])}x", text)

    try:
        rendered = codec.tokenizer.apply_chat_template(
            _map_strings(messages, hide),
            tools=_map_strings(tools, hide),
            add_generation_prompt=True,
            tokenize=False,
            **_map_strings(options, hide),
        )
    except Exception as error:  # a template is a program of the model's, and fails as it likes
        reason = f"{type(error).__name__}: {error}".replace(word, "")
        raise RequestError(
            f"messages: the chat template of {codec.name} refuses them: {reason}", field="messages"
        ) from error
    return _encode_around(codec, rendered, re.compile(rf"{word}(\d+)x"), texts)


def _encode_around(
    codec: Codec, rendered: str, hidden: re.Pattern[str], texts: list[str]
) -> list[int]:
    """Encode a rendered chat; what was hidden is encoded literally."""
    tokens: list[int] = []
    for index, piece in enumerate(hidden.split(rendered)):
        if index % 2:
            tokens += codec.encode_literally(texts[int(piece)])
        elif piece:
            tokens += codec.tokenizer(piece, add_special_tokens=False)["input_ids"]
    return tokens


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """The same JSON value with every string changed, names included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_strings(item, change) for item in value]
    if isinstance(value, Mapping):
        return {change(name): _map_strings(item, change) for name, item in value.items()}
    return value
