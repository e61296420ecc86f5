"""Search for a regular expression, which can backtrack for longer than anybody waits.

Runs in the process of a `ProcessPool`, which imports this file alone.
"""

import re


def search(expression: str, flags: int, text: str, whole: bool) -> str | None:
    """The first group of the last match, or all of it where the expression has no groups.

    With `whole`, the text as a whole has to match.
    """
    compiled = re.compile(expression, flags)
    last = compiled.fullmatch(text) if whole else None
    for found in () if whole else compiled.finditer(text):
        last = found
    return None if last is None else str(last[1 if compiled.groups else 0] or "").strip()
