"""Two responses beside each other."""

from tinker_core import Comparison, Message

QUESTION = {"role": "user", "content": "Why?"}


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def test_a_comparison_takes_plain_messages_and_swaps_its_sides() -> None:
    comparison = Comparison(prompt=[QUESTION], first=said("a"), second=said("b"))
    assert comparison.first == (Message(role="assistant", content="a"),)
    assert comparison.swapped.second == comparison.first
    assert comparison.swapped.swapped == comparison
