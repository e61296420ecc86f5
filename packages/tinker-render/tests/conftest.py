"""Tokenizers made on the spot: a family's control tokens over a small vocabulary."""

from functools import cache

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tinker_render import get_renderer

# Enough for merges over words, spaces and newlines, so that where a text is cut matters.
CORPUS = [
    "You are a helpful assistant. Answer the user's question, please.",
    "system user assistant tool developer User: Assistant: System: the answer is the question",
    'line one\nline two\n\nline three\n\n\n    indented {"name": "weather", "arguments": {}}',
    "think about it, then call the tool; the tool says that the weather is fine today 0123456789",
]

# As in most vocabularies of today: newlines in a row are one word.
WORDS = r" ?[\p{L}_]+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

CHATML_TEMPLATE = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

SMOLLM2_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful AI"
    " assistant named SmolLM, trained by Hugging Face<|im_end|>\\n' }}{% endif %}" + CHATML_TEMPLATE
)


def _make_tokenizer(special, *, markup=(), template=None, **settings):
    """Byte-level BPE; `special` and `markup` are added tokens, the latter not marked special."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=520, initial_alphabet=alphabet, special_tokens=list(special), show_progress=False
    )
    backend.train_from_iterator(CORPUS * 4, trainer)
    backend.add_tokens([AddedToken(text, special=False, normalized=False) for text in markup])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **settings)
    tokenizer.chat_template = template
    return tokenizer


@pytest.fixture(scope="session")
def make_tokenizer():
    """The function that makes a tokenizer."""
    return _make_tokenizer


@pytest.fixture(scope="session")
def chatml_tokenizer():
    """ChatML's two control tokens and the end of text."""
    return _make_tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        template=CHATML_TEMPLATE,
        eos_token="<|im_end|>",
        bos_token="<|im_start|>",
    )


@pytest.fixture(scope="session")
def smollm2_template():
    """SmolLM2's chat template, the default system prompt included."""
    return SMOLLM2_TEMPLATE


BAR, JOINT = "\uff5c", "\u2581"
DEEPSEEK = [
    "begin of sentence",
    "end of sentence",
    "User",
    "Assistant",
    *(f"tool {what} {end}" for what in ("calls", "call", "output") for end in ("begin", "end")),
    "tool sep",
]
CONTROL = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    *(f"<{BAR}{name.replace(' ', JOINT)}{BAR}>" for name in DEEPSEEK),
    *("<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>"),
    *("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    *("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"),
    *("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|return|>"),
    *("<|call|>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
    *("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "/nothink"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>"),
    *("<|media_begin|>", "<|media_content|>", "<|media_end|>", "<|media_pad|>"),
]
"""Every family's special tokens."""

MARKUP = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>"]
MARKUP += ["</tool_response>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"]
"""Control tokens that the vocabularies do not mark as special."""


@pytest.fixture(scope="session")
def renderer_of(surrogate):
    """The renderer of a name, made once."""
    return cache(lambda name: get_renderer(name, surrogate))


@pytest.fixture(scope="session")
def surrogate():
    """A small vocabulary with the control tokens of every family."""
    return _make_tokenizer(
        CONTROL,
        markup=MARKUP,
        template=CHATML_TEMPLATE,
        bos_token="<|begin_of_text|>",
        eos_token="<|endoftext|>",
    )
