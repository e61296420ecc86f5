"""Second opinions: do other people's renderers write the prompts that ours write?

    python packages/tinker-render/parity/opinions.py CACHE [RENDERER ...]

Asks `tml-renderers`, `renderers` (both of PyPI) and `openai-harmony`, each as far as it is
installed and knows the family. One line a renderer and opinion; ends with 1 where a difference is
none of those that docs/rendering.md explains.
"""

from __future__ import annotations

import copy
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import frozen
from compare import describe, fixed, load, one_part, reasons, sequences
from conversations import COMPLEX_TOOLS, TOOLS, Conversation, random_conversations
from vendors import KIMI, VENDORS, Vendor

from tinker_render import get_renderer

Tools = list[dict[str, Any]]
Opinion = Callable[[Conversation, Tools], str]
"""The prompt behind a conversation."""

MEDIA = ("<|media_begin|>", "<|media_content|>", "<|media_pad|>", "<|media_end|>")
KIMI25 = [
    Vendor(renderer=name, vocabulary="qwen3", template="trl:qwen3", add=KIMI + MEDIA, **kinds)
    for name, kinds in {
        "kimi_k25": {"thinking": True, "tools": True},
        "kimi_k25_disable_thinking": {"tools": True},
        "kimi_k26_preserve_thinking": {"thinking": True, "tools": True},
    }.items()
]
"""Without a published template: of `template` nothing is used but the vocabulary."""

TML = {
    "qwen3": "Qwen3()",
    "qwen3_disable_thinking": "Qwen3.disable_thinking()",
    "qwen3_instruct": "Qwen3.instruct()",
    "qwen3_5": "Qwen35()",
    "qwen3_5_disable_thinking": "Qwen35.disable_thinking()",
    "qwen3_8_xhigh_reasoning": "Qwen38()",
    "deepseekv3": "DeepSeekV31()",
    "deepseekv3_thinking": "DeepSeekV31(thinking=True)",
    "kimi_k2": "KimiK2()",
    "kimi_k25": "KimiK25()",
    "kimi_k25_disable_thinking": "KimiK25.disable_thinking()",
    "kimi_k26_preserve_thinking": "KimiK25.preserve_thinking_history()",
    "gpt_oss_low_reasoning": "GptOss.low()",
    "gpt_oss_medium_reasoning": "GptOss.medium()",
    "gpt_oss_high_reasoning": "GptOss.high()",
    "nemotron3": "Nemotron3()",
    "nemotron3_disable_thinking": "Nemotron3.disable_thinking()",
    "nemotron3_ultra": "Nemotron3.ultra()",
}
RENDERERS = {
    "qwen3": "Qwen3RendererConfig()",
    "qwen3_disable_thinking": "Qwen3RendererConfig(enable_thinking=False)",
    "qwen3_vl_instruct": "Qwen3VLRendererConfig()",
    "qwen3_5": "Qwen35RendererConfig()",
    "qwen3_5_disable_thinking": "Qwen35RendererConfig(enable_thinking=False)",
    "qwen3_6": "Qwen36RendererConfig()",
    "qwen3_8_xhigh_reasoning": "Qwen38RendererConfig()",
    "qwen3_8_low_reasoning": "Qwen38RendererConfig(reasoning_effort='low')",
    "kimi_k25": "KimiK25RendererConfig()",
    "kimi_k25_disable_thinking": "KimiK25RendererConfig(thinking=False)",
    "gpt_oss_low_reasoning": "GptOssRendererConfig(reasoning_effort='low')",
    "nemotron3": "Nemotron3RendererConfig()",
    "glm": "GLM45RendererConfig()",
    "nemotron3_ultra": "Nemotron3UltraRendererConfig()",
}
RANDOM = 20
_CHANNEL = "<|channel|>analysis<|message|>"  # `renderers` has gpt-oss begin with reasoning
_DATE = re.compile("Current date: .*\n")  # ours says none, so that a rendering does not age
HARMONY = {f"gpt_oss_{effort}_reasoning": effort for effort in ("low", "medium", "high")}


@frozen
class Difference:
    """A difference that is known, and where it shows."""

    source: str
    renderer: str
    """What its name begins with."""
    why: str
    where: Callable[[Conversation, Tools], bool]


def calls(messages: Conversation, tools: Tools) -> bool:
    """Whether there is a call, or a tool to call."""
    return bool(tools) or any("tool_calls" in message for message in messages)


def earlier_answers(messages: Conversation, tools: Tools) -> bool:
    """Whether the assistant has spoken."""
    return any(message["role"] == "assistant" for message in messages)


def several_calls(messages: Conversation, tools: Tools) -> bool:
    """Whether there is more than one call in a message."""
    return any(len(message.get("tool_calls", [])) > 1 for message in messages)


def newline_at_the_end(messages: Conversation, tools: Tools) -> bool:
    """Whether a message ends in one."""
    return any(message["content"].endswith("\n") for message in messages)


def thoughtful_calls(messages: Conversation, tools: Tools) -> bool:
    """Whether there is reasoning before a call."""
    return any("tool_calls" in message and reasons(message) for message in messages)


def has_developer(messages: Conversation, tools: Tools) -> bool:
    """Whether there is a developer's message: instructions or tools."""
    return bool(tools) or messages[0]["role"] == "system"


def text_before_calls(messages: Conversation, tools: Tools) -> bool:
    """Whether a message with a call says something too."""
    return any("tool_calls" in message and message["content"] for message in messages)


_DEVELOPER = "no blank line behind instructions; other comments and braces in tool declarations"
_KEPT = "shows the empty reasoning of earlier turns, so that they stay as emitted"
EXPLAINED = [
    Difference("tml-renderers", "qwen3", "drops the reasoning before a call", thoughtful_calls),
    Difference("tml-renderers", "qwen3_5", "one newline before a call", text_before_calls),
    Difference("tml-renderers", "qwen3_8", "one newline before a call", text_before_calls),
    Difference("tml-renderers", "deepseekv3", "escapes letters; does not end a call's turn", calls),
    Difference("tml-renderers", "nemotron3", "trims what the user says", newline_at_the_end),
    Difference("tml-renderers", "nemotron3", "no newline before a call", calls),
    Difference("renderers", "glm", "no newline between calls", several_calls),
    Difference("renderers", "qwen3_disable_thinking", _KEPT, earlier_answers),
    Difference("renderers", "qwen3_5_disable_thinking", _KEPT, earlier_answers),
    Difference("renderers", "gpt_oss", _DEVELOPER, has_developer),
    Difference("openai-harmony", "gpt_oss", _DEVELOPER, has_developer),
]


def main(cache: Path, *renderers: str) -> int:
    """Ask, report."""
    os.environ["TIKTOKEN_ENCODINGS_BASE"] = str(
        cache / "wheels" / "tml-renderers" / "tml_renderers" / "data"
    )
    unexplained = 0
    for vendor in [*VENDORS, *KIMI25]:
        if renderers and vendor.renderer not in renderers:
            continue
        for source, opinion in opinions(vendor, cache):
            unexplained += ask(source, opinion, vendor, cache)
    return int(unexplained > 0)


def opinions(vendor: Vendor, cache: Path) -> Iterator[tuple[str, Opinion]]:
    """Those of the packages that know the family and are installed."""
    for source, known, make in (
        ("tml-renderers", TML, of_tml),
        ("renderers", RENDERERS, of_renderers),
        ("openai-harmony", HARMONY, of_harmony),
    ):
        if vendor.renderer in known and installed(source):
            yield source, make(known[vendor.renderer], vendor, cache)


def installed(source: str) -> bool:
    """Whether the package is there; says so if it is not."""
    try:
        import_module(source.replace("-", "_"))
    except ImportError as error:
        print(f"{source} is not asked: {error}")
        return False
    return True


def ask(source: str, opinion: Opinion, vendor: Vendor, cache: Path) -> bool:
    """Whether there is a difference that is not explained."""
    tokenizer = load(vendor, cache)
    renderer = get_renderer(vendor.renderer, tokenizer)
    known = [d for d in EXPLAINED if d.source == source and vendor.renderer.startswith(d.renderer)]
    equal, explained, problem = 0, 0, ""
    random = random_conversations(RANDOM, thinking=vendor.thinking, calls=vendor.tools)
    tools = TOOLS if vendor.tools and vendor.declares else []
    for messages, declared in [*fixed(vendor), *((c, tools) for c in random)]:
        if vendor.one_part_a_call and not all(map(one_part, messages)):
            continue
        if declared == COMPLEX_TOOLS and vendor in KIMI25:
            continue  # Moonshot's own writer refuses such a schema
        declared = [] if source == "tml-renderers" else declared  # it has no place for them
        for prefix, is_prompt in sequences(vendor, messages):
            if not is_prompt:
                continue
            given = with_ids(prefix)
            ours = tokenizer.decode(
                renderer.build_generation_prompt(given, tools=declared).to_ints()
            )
            theirs = _DATE.sub("", opinion(given, declared)).removesuffix(_CHANNEL)
            if ours == theirs:
                equal += 1
            elif any(difference.where(given, declared) for difference in known):
                explained += 1
            else:
                encode = tokenizer.encode
                problem = problem or describe(tokenizer, encode(ours), encode(theirs))
    print(f"{vendor.renderer:28} {source:15} {equal:4} equal {explained:4} explained  {problem}")
    return bool(problem)


def with_ids(messages: Conversation) -> Conversation:
    """The calls with ids as Kimi has them, and the answers with those of their calls."""
    given, count, open_calls = copy.deepcopy(messages), 0, []
    for message in given:
        for call in message.get("tool_calls", []):
            call["id"] = f"functions.{call['function']['name']}:{count}"
            open_calls.append(call["id"])
            count += 1
        if message["role"] == "tool" and open_calls:
            message["tool_call_id"] = open_calls.pop(0)
    return given


def of_tml(expression: str, vendor: Vendor, cache: Path) -> Opinion:
    """What `tml-renderers` writes. It has no tools to declare."""
    theirs = import_module("tml_renderers.renderers")
    chat = import_module("tml_renderers.chat")
    renderer = eval(f"theirs.{expression}", {"theirs": theirs})

    def prompt(messages: Conversation, tools: Tools) -> str:
        given = copy.deepcopy(messages)
        for message in given:
            if "reasoning_content" in message:
                thinking = {"type": "thinking", "thinking": message.pop("reasoning_content")}
                text = {"type": "text", "text": message["content"]}
                message["content"] = [thinking, *([text] if message["content"] else [])]
        spans, _ = renderer.render_for_completion(chat.OpenAIMessage.from_oss_messages(given))
        return str(renderer.tokenizer.decode([t for s in spans for t in s.span.int_tokens]))

    return prompt


def of_renderers(expression: str, vendor: Vendor, cache: Path) -> Opinion:
    """What `renderers` writes, on the same vocabulary."""
    theirs = import_module("renderers")
    tokenizer = load(vendor, cache)
    renderer = theirs.create_renderer(tokenizer, eval(f"theirs.{expression}", {"theirs": theirs}))

    def prompt(messages: Conversation, tools: Tools) -> str:
        given = copy.deepcopy(messages)
        for call in (call for message in given for call in message.get("tool_calls", [])):
            if vendor.arguments is dict:
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        declared = [{"type": "function", "function": tool} for tool in tools] or None
        ids = renderer.render_ids(given, tools=declared, add_generation_prompt=True)
        return str(tokenizer.decode(ids))

    return prompt


def of_harmony(effort: str, vendor: Vendor, cache: Path) -> Opinion:
    """What OpenAI's own library writes."""
    return import_module("harmony").opinion(effort)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
