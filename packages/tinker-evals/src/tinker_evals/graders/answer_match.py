"""Answer match: when an extracted answer equals the target."""

from __future__ import annotations

import string

from tinker_core.numbers import read_number


def same_number(answer: str, target: str) -> bool:
    """True if both texts are numbers, with equal values."""
    number = read_number(answer)
    return number is not None and number == read_number(target)


def same_text(answer: str, target: str) -> bool:
    """True if the words are the same: case, punctuation, articles and spaces apart.

    The comparison of SQuAD (Rajpurkar et al. 2016). Where there are no words, the signs count.
    """
    words = _words(answer)
    return words == _words(target) if words else answer.split() == target.split()


def _words(text: str) -> list[str]:
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return [word for word in bare.split() if word not in ("a", "an", "the")]
