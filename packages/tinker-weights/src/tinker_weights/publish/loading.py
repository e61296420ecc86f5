"""The section of a model card that shows how to load the model."""

from __future__ import annotations

from tinker_weights.publish.facts import Contents
from tinker_weights.publish.markdown import code, inline

_ASK = """\
messages = [{"role": "user", "content": "Hello"}]
prompt = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
print(tokenizer.decode(model.generate(**prompt, max_new_tokens=64)[0]))
"""


def how_to_load(contents: Contents, name: str, base_model: str) -> str:
    """Code for the programs that load it."""
    if contents == "adapter":
        note = (
            f"Servers load it beside {inline(base_model)} where they support adapters on its "
            "layers; `tinker-weights merge` makes a full model of it."
        )
        return f"{code(_peft(name, base_model), 'python')}\n\n{note}"
    if contents == "model":
        return f"{code(_transformers(name), 'python')}\n\n{code(f'vllm serve {name}', 'bash')}"
    return code(f"llama-cli -hf {name}\nollama run hf.co/{name}", "bash")


def _peft(name: str, base_model: str) -> str:
    return (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"tokenizer = AutoTokenizer.from_pretrained({base_model!r})\n"
        f"base = AutoModelForCausalLM.from_pretrained({base_model!r}, dtype='auto')\n"
        f"model = PeftModel.from_pretrained(base, {name!r})\n{_ASK}"
    )


def _transformers(name: str) -> str:
    return (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"tokenizer = AutoTokenizer.from_pretrained({name!r})\n"
        f"model = AutoModelForCausalLM.from_pretrained({name!r}, dtype='auto')\n{_ASK}"
    )
