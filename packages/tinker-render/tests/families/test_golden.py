"""What the vendors' templates write (`parity/compare.py --golden`) is what we write."""

import json
from pathlib import Path

import pytest

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


def cases():
    """One parameter a conversation of each file."""
    for path in GOLDEN:
        golden = json.loads(path.read_text())
        for n, case in enumerate(golden["cases"]):
            tools = [golden["tools"][name] for name in case["tools"]]
            yield pytest.param(path.stem, case, tools, id=f"{path.stem}-{n}")


@pytest.mark.parametrize(("name", "case", "tools"), list(cases()))
def test_a_conversation_is_written_as_the_vendor_does(renderer_of, name, case, tools):
    renderer = renderer_of(name)
    tokenizer = renderer.tokenizer
    if case["prompt"]:
        tokens = renderer.build_generation_prompt(case["messages"], tools=tools).to_ints()
    else:
        tokens = renderer.render(case["messages"], tools=tools).tokens.tolist()
    assert tokenizer.decode(tokens) == case["text"]
    if "<think>\n\n</think>" not in case["text"]:  # there the end of a prompt may cut two newlines
        assert tokens == tokenizer.encode(case["text"], add_special_tokens=False)


def test_every_family_with_a_published_template_has_goldens():
    assert len(GOLDEN) >= 18
