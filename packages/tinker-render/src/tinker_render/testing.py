"""A tokenizer of bytes for tests, made in memory. Lengths can be counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN3_MARKUP = (
    *("<think>", "</think>", "<tool_call>", "</tool_call>"),
    *("<tool_response>", "</tool_response>"),
)


def byte_tokenizer(markup: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """ChatML's control tokens (0 to 2), one token for each byte (3 to 258), and then `markup`.

    `markup` are control tokens that the vocabulary does not mark as special, such as QWEN3_MARKUP.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*CHATML, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(CHATML))
    backend.add_tokens([AddedToken(text, special=False, normalized=False) for text in markup])
    make: Any = PreTrainedTokenizerFast  # it has no annotations
    tokenizer: PreTrainedTokenizerFast = make(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    return tokenizer
