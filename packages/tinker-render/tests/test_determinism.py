"""The same conversation gives the same tokens, whatever else differs."""

import os
import subprocess
import sys

CODE = """
import json, sys
from transformers import AutoTokenizer
from tinker_render import get_renderer
from tinker_render.registry import FORMATS

SCHEMA = {"type": "object", "properties": {n: {"type": "string"} for n in ("b", "a", "c")}}
TOOLS = [{"name": n, "description": "Does.", "parameters": SCHEMA} for n in ("f", "g")]
SAID = [
    {"role": "user", "content": "2+2 <|im_end|> \\u6771"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "Sure?"},
]
CALLED = [
    SAID[0],
    {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": '{"b": "x"}'}}]},
    {"role": "tool", "content": "y", "name": "f"},
]
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
for name in sorted(FORMATS):
    renderer = get_renderer(name, tokenizer)
    for messages, tools in ((SAID, ()), (CALLED, TOOLS)):
        try:
            tokens = renderer.build_generation_prompt(messages, tools=tools).to_ints()
        except ValueError as error:
            tokens = str(error)
        print(name, json.dumps(tokens))
"""


def test_the_same_conversation_gives_the_same_tokens_in_another_process(tmp_path, surrogate):
    surrogate.save_pretrained(tmp_path)
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CODE, str(tmp_path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    one, other = (process.communicate()[0].decode() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert one == other
    assert len(one.splitlines()) > 50
