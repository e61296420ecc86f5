"""Compare every renderer with its vendor's template, token by token, on the real vocabulary.

    python packages/tinker-render/parity/compare.py CACHE [--golden FOLDER] [RENDERER ...]

Prints one line a renderer and the first difference; ends with 1 if there is one. With `--golden` it
writes what the templates make of the fixed conversations, for the tests of the gate.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conversations import (
    CALLS,
    COMPLEX_TOOLS,
    PLAIN,
    THINKING,
    THINKING_CALLS,
    TOOLS,
    Conversation,
    random_conversations,
)
from tokenizers import AddedToken
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from vendors import VENDORS, Vendor

from tinker_render import get_renderer

RANDOM = 200

Tools = list[dict[str, Any]]


def main() -> int:
    """Compare, report, write goldens if asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path)
    parser.add_argument("renderers", nargs="*")
    parser.add_argument("--golden", type=Path)
    given = parser.parse_args()
    different = 0
    for vendor in VENDORS:
        if given.renderers and vendor.renderer not in given.renderers:
            continue
        tokenizer = load(vendor, given.cache)
        count, difference = compare(vendor, tokenizer)
        print(f"{vendor.renderer:32} {count:5} sequences  {difference or 'equal'}")
        different += difference is not None
        if given.golden:
            write_golden(vendor, tokenizer, given.golden)
    return int(different > 0)


def load(vendor: Vendor, cache: Path) -> PreTrainedTokenizerBase:
    """The vocabulary with the template."""
    folder = cache / "vocabularies" / vendor.vocabulary
    if vendor.rename:
        folder = renamed(folder, vendor.rename)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([AddedToken(token, special=True) for token in vendor.add])
    tokenizer.chat_template = vendor.template_text(cache)
    return tokenizer


def renamed(folder: Path, names: dict[str, str]) -> Path:
    """A copy of a vocabulary, beside it, with some tokens under other names."""
    copied = folder.with_name(f"{folder.name}-renamed")
    shutil.copytree(folder, copied, dirs_exist_ok=True)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())
    for token in vocabulary["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    (copied / "tokenizer.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    return copied


def fixed(vendor: Vendor) -> Iterator[tuple[Conversation, Tools]]:
    """Conversations and the tools that are declared."""
    tools = TOOLS if vendor.declares else []
    yield from ((c, []) for c in PLAIN)
    if vendor.thinking:
        yield from ((c, []) for c in THINKING)
    if vendor.tools:
        yield from ((c, tools) for c in CALLS)
        yield from ((c, COMPLEX_TOOLS if vendor.declares else []) for c in PLAIN[:1])
    if vendor.tools and vendor.thinking:
        yield from ((c, tools) for c in THINKING_CALLS)


def compare(vendor: Vendor, tokenizer: PreTrainedTokenizerBase) -> tuple[int, str | None]:
    """How many sequences were compared, and the first difference."""
    renderer = get_renderer(vendor.renderer, tokenizer)
    random = random_conversations(RANDOM, thinking=vendor.thinking, calls=vendor.tools)
    count, difference = 0, None
    random_tools = TOOLS if vendor.tools and vendor.declares else []
    for messages, tools in [*fixed(vendor), *((c, random_tools) for c in random)]:
        if vendor.one_part_a_call and not all(map(one_part, messages)):
            continue
        for prefix, prompt in sequences(vendor, messages):
            expected = by_template(vendor, tokenizer, prefix, tools, prompt)
            if prompt:
                got = renderer.build_generation_prompt(prefix, tools=tools).to_ints()
            else:
                got = renderer.render(prefix, tools=tools).tokens.tolist()
            count += 1
            if got != expected and not same_text(vendor, tokenizer, got, expected):
                difference = difference or describe(tokenizer, got, expected)
    return count, difference


def reasons(message: dict[str, Any]) -> bool:
    """Whether the message holds reasoning."""
    return "reasoning_content" in message


def one_part(message: dict[str, Any]) -> bool:
    """Whether the message has one call at most, and then either text or reasoning."""
    calls = message.get("tool_calls", [])
    both = bool(message["content"]) and reasons(message)
    return len(calls) <= 1 and not (calls and both)


def same_text(
    vendor: Vendor, tokenizer: PreTrainedTokenizerBase, got: list[int], expected: list[int]
) -> bool:
    """Whether only the cut between prompt and reply differs, where a vendor's template has none."""
    apart = vendor.cuts_newlines or vendor.system_apart
    return apart and tokenizer.decode(got) == tokenizer.decode(expected)


def sequences(vendor: Vendor, messages: Conversation) -> Iterator[tuple[Conversation, bool]]:
    """The conversation, and every prefix that the model would have to answer, as a prompt."""
    calls = [message for message in messages if "tool_calls" in message]
    if vendor.full and not (vendor.one_part_a_call and any(map(reasons, calls))):
        yield messages, False
    for i, message in enumerate(messages):
        last_of_tools = i + 1 == len(messages) or messages[i + 1]["role"] != "tool"
        if message["role"] in ("user", "tool") and last_of_tools:
            yield messages[: i + 1], True


def by_template(
    vendor: Vendor,
    tokenizer: PreTrainedTokenizerBase,
    messages: Conversation,
    tools: Tools,
    prompt: bool,
    tokenize: bool = True,
) -> Any:
    """What the template makes of it."""
    given = copy.deepcopy(messages)
    for message in given:
        if "reasoning_content" in message:
            message[vendor.reasoning_key] = message.pop("reasoning_content")
    for call in (call for message in given for call in message.get("tool_calls", [])):
        if vendor.arguments is dict:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return tokenizer.apply_chat_template(
        given,
        tools=[{"type": "function", "function": tool} for tool in tools] or None,
        add_generation_prompt=prompt,
        tokenize=tokenize,
        **({"return_dict": False} if tokenize else {}),
        **vendor.settings,
    )


def describe(tokenizer: PreTrainedTokenizerBase, got: list[int], expected: list[int]) -> str:
    """Where two sequences part."""
    at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), len(got))
    context = tokenizer.decode(expected[max(0, at - 12) : at])
    ours, theirs = tokenizer.decode(got[at : at + 12]), tokenizer.decode(expected[at : at + 12])
    return f"differ at token {at}, after {context!r}:\n    ours   {ours!r}\n    theirs {theirs!r}"


def write_golden(vendor: Vendor, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """The template's text for the fixed conversations, and where the template comes from.

    Of each conversation: the whole, and its last prompt.
    """
    cases = [
        {
            "messages": prefix,
            "tools": [tool["name"] for tool in tools],
            "prompt": prompt,
            "text": by_template(vendor, tokenizer, prefix, tools, prompt, tokenize=False),
        }
        for messages, tools in fixed(vendor)
        if not vendor.one_part_a_call or all(map(one_part, messages))
        for prefix, prompt in {p: (c, p) for c, p in sequences(vendor, messages)}.values()
    ]
    template = hashlib.sha256(tokenizer.chat_template.encode()).hexdigest()
    source = {"template": vendor.template, "sha256": template, "settings": vendor.settings}
    tools = {tool["name"]: tool for tool in TOOLS + COMPLEX_TOOLS}
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    head = f'{{"source": {json.dumps(source)},\n"tools": {json.dumps(tools, ensure_ascii=False)}'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{vendor.renderer}.json").write_text(f'{head},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    sys.exit(main())
