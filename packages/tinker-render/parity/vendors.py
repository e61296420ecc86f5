"""The renderers that have a published template to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import field, frozen

KIMI = (
    *("<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>"),
    *("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    *("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"),
)


@frozen(kw_only=True)
class Vendor:
    """A renderer of ours, and the vocabulary and the template that it has to agree with."""

    renderer: str
    vocabulary: str
    template: str
    """`trl:NAME` or `llama.cpp:NAME`."""
    settings: dict[str, Any] = field(factory=dict)
    """Variables of the template."""
    thinking: bool = False
    tools: bool = False
    arguments: type = str
    """Whether the template takes a call's arguments as JSON text or as a dictionary."""
    add: tuple[str, ...] = ()
    """Control tokens that the vocabulary lacks."""
    rename: dict[str, str] = field(factory=dict)
    """Tokens of the vocabulary that the model's own has under another name."""
    patch: tuple[tuple[str, str], ...] = ()
    """Where the copy of the template is not what the vendor published; see docs/rendering.md."""
    reasoning_key: str = "reasoning_content"
    """Under which name the template looks for reasoning."""
    one_part_a_call: bool = False
    """Whether the template takes one call a message, and either text or reasoning with it. It then
    drops that reasoning once an answer follows, even the one to train on: whole conversations with
    such a message are not compared."""
    declares: bool = True
    """Whether the template has a place for declared tools."""
    full: bool = True
    """Whether whole conversations are compared beside prompts: not where the template drops the
    reasoning of the last message too, since it is made to write prompts alone, and not where the
    model ends a turn with the token of who speaks next, which a template does not write."""
    system_apart: bool = False
    """Whether the system's text is encoded apart from the user's that it is written before."""
    cuts_newlines: bool = False
    """Whether prompt and empty reasoning meet between two newlines, which a vocabulary joins."""

    def template_text(self, cache: Path) -> str:
        """The template as it was published."""
        origin, _, name = self.template.partition(":")
        folder = cache / "wheels/trl/trl/chat_templates" if origin == "trl" else cache / "templates"
        text = (folder / f"{name}.jinja").read_text()
        for published, meant in self.patch:
            if published not in text:
                raise ValueError(f"{self.template} does not hold {published!r} any more")
            text = text.replace(published, meant)
        return text


# llama.cpp wrote its own `<think>` before DeepSeek's `</think>`, for a template engine that splits
# there, and JSON of text.
_DEEPSEEK = {
    "vocabulary": "deepseek_v3",
    "template": "llama.cpp:deepseek-ai-DeepSeek-V3.1",
    "rename": {
        "<\uff5cplace\u2581holder\u2581no\u2581798\uff5c>": "<think>",
        "<\uff5cplace\u2581holder\u2581no\u2581799\uff5c>": "</think>",
    },
    "patch": (("<think></think>", "</think>"), (" | tojson", "")),
}

# A call after text is said on the channel that OpenAI's guide names for it, commentary, and the day
# is left out.
_GPT_OSS = {
    "vocabulary": "gptoss",
    "template": "trl:gptoss",
    "patch": (
        (
            "elif message.content and not future_final_message.found %}\n"
            '                {{- "<|start|>assistant<|channel|>analysis<|message|>"',
            "elif message.content %}\n"
            '                {{- "<|start|>assistant<|channel|>commentary<|message|>"',
        ),
        ('"Current date: " + strftime_now("%Y-%m-%d") + "\\n\\n"', '"\\n"'),
    ),
    "thinking": True,
    "tools": True,
    "arguments": dict,
    "reasoning_key": "thinking",
    "one_part_a_call": True,
}

GLM = (
    *("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "/nothink"),
    *("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
)

VENDORS = [
    *(
        Vendor(
            renderer=renderer,
            vocabulary="qwen3",
            template="trl:glm4moe",
            settings=settings,
            thinking=not settings,
            tools=True,
            arguments=dict,
            add=GLM,
            full=False,
        )
        for renderer, settings in [
            ("glm", {}),
            ("glm_disable_thinking", {"enable_thinking": False}),
        ]
    ),
    *(
        Vendor(
            renderer=f"gpt_oss_{effort}_reasoning",
            settings={"reasoning_effort": effort},
            **_GPT_OSS,
        )
        for effort in ("low", "medium", "high")
    ),
    Vendor(renderer="llama3", vocabulary="llama3_1", template="trl:llama3"),
    Vendor(renderer="deepseekv3", **_DEEPSEEK, tools=True, declares=False),
    Vendor(
        renderer="deepseekv3_thinking",
        **_DEEPSEEK,
        settings={"thinking": True},
        thinking=True,
        tools=True,
        declares=False,
        full=False,
    ),
    Vendor(
        renderer="kimi_k2",
        vocabulary="qwen3",
        template="llama.cpp:Kimi-K2-Thinking",
        add=KIMI,
        patch=(
            # llama.cpp's template engine has no `break`, Moonshot's tokenizer writes the tools
            ("_assistant_msg = idx -%}", "_assistant_msg = idx -%}{%- break -%}"),
            ("tools | tojson", "tools | tojson(separators=(',', ':'), sort_keys=true)"),
            # transformers runs templates where no list can be changed
            (
                "_ = tool_response_queue.ids.append(formatted_id)",
                "tool_response_queue.ids = tool_response_queue.ids + [formatted_id]",
            ),
            (
                "tool_call_id = tool_response_queue.ids.pop(0) -%}",
                "tool_call_id = tool_response_queue.ids[0] -%}"
                "{%- set tool_response_queue.ids = tool_response_queue.ids[1:] -%}",
            ),
        ),
        thinking=True,
        tools=True,
        full=False,
    ),
    Vendor(
        renderer="qwen3",
        vocabulary="qwen3",
        template="trl:qwen3",
        thinking=True,
        tools=True,
    ),
    Vendor(
        renderer="qwen3_disable_thinking",
        vocabulary="qwen3",
        template="trl:qwen3",
        settings={"enable_thinking": False},
        tools=True,
    ),
    Vendor(
        renderer="qwen3_instruct",
        vocabulary="qwen3",
        template="trl:qwen3_instruct_2507",
        tools=True,
    ),
    Vendor(
        renderer="qwen3_vl_instruct",
        vocabulary="qwen3",
        template="trl:qwen3_vl",
        tools=True,
    ),
    *(
        Vendor(
            renderer=f"{name}{suffix}",
            vocabulary="qwen3",  # as for Qwen3.5, a surrogate that has its control tokens
            template=f"trl:{template}",
            settings=settings,
            thinking=thinking,
            tools=True,
            arguments=dict,
            cuts_newlines=thinking,
        )
        for name, template, suffix, settings, thinking in [
            ("qwen3_5", "qwen3_5_think", "", {}, True),
            ("qwen3_5", "qwen3_5_think", "_disable_thinking", {"enable_thinking": False}, False),
            ("qwen3_6", "qwen3_6", "", {}, True),
            ("qwen3_6", "qwen3_6", "_disable_thinking", {"enable_thinking": False}, False),
            ("qwen3_8", "qwen3_8", "_xhigh_reasoning", {}, True),
            ("qwen3_8", "qwen3_8", "_medium_reasoning", {"reasoning_effort": "medium"}, True),
            ("qwen3_8", "qwen3_8", "_low_reasoning", {"reasoning_effort": "low"}, True),
            ("qwen3_8", "qwen3_8", "_disable_thinking", {"enable_thinking": False}, False),
        ]
    ),
    Vendor(renderer="gemma3", vocabulary="gemma3", template="trl:gemma3", system_apart=True),
    *(
        Vendor(
            renderer=renderer,
            vocabulary="qwen3",  # a surrogate that has its control tokens
            template=f"trl:{template}",
            settings=settings,
            thinking=not renderer.endswith("disable_thinking"),
            tools=True,
            arguments=dict,
            full=renderer.endswith("disable_thinking"),
        )
        for renderer, template, settings in [
            ("nemotron3", "nemotron_3_nano", {}),
            ("nemotron3_low_thinking", "nemotron_3_super", {"low_effort": True}),
            ("nemotron3_disable_thinking", "nemotron_3_nano", {"enable_thinking": False}),
            (
                "nemotron3_preserve_thinking",
                "nemotron_3_super",
                {"truncate_history_thinking": False},
            ),
            ("nemotron3_ultra", "nemotron_3_ultra", {}),
            ("nemotron3_ultra_medium_thinking", "nemotron_3_ultra", {"medium_effort": True}),
            ("nemotron3_ultra_disable_thinking", "nemotron_3_ultra", {"enable_thinking": False}),
            (
                "nemotron3_ultra_preserve_thinking",
                "nemotron_3_ultra",
                {"truncate_history_thinking": False},
            ),
        ]
    ),
]
