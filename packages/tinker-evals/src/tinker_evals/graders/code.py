"""The grader of programs: they run, and their tests pass or do not."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from tinker_evals.dataset.item import Item
from tinker_evals.graders.answer_extraction import code_block
from tinker_evals.graders.grade import Grade
from tinker_evals.sandbox.sandbox import Sandbox


@frozen(kw_only=True)
class CodeGrader:
    """An item's target is `{"tests": a program's end, "preamble": its beginning}`.

    `preamble` may be left out. Strict runs the longest fenced block of the reply; lenient, where
    there is none, the reply as it is. Where the preamble is the start of a function (HumanEval), a
    reply that does not define `entry_point` itself continues it.
    """

    name: str = "code"
    version: int = 1
    sandbox: Sandbox = field(factory=Sandbox)

    async def grade(self, reply: str, item: Item) -> Grade:
        """1 where the program comes to the end of its tests. Raises GradingError."""
        block = code_block(reply)
        code = reply if block is None else block
        if not code.strip():
            return Grade(scores={"strict": 0.0, "lenient": 0.0}, answers={"strict": None})
        ran = await self.sandbox.run(assemble(code, item.target))
        score = float(ran.passed)
        comment = "time is up" if ran.timed_out else ran.output
        return Grade(
            scores={"strict": 0.0 if block is None else score, "lenient": score},
            answers={"strict": block, "lenient": code},
            comment="" if ran.passed else comment,
        )


def assemble(code: str, target: dict[str, Any]) -> str:
    """The program that is run: what the reply defines, and the tests."""
    preamble, name = target.get("preamble", ""), target.get("entry_point")
    if name is not None and f"def {name}(" not in code:
        code = preamble + code  # the body of the function that the preamble opens
    elif preamble:
        code = _imports(preamble) + code
    return f"{code}\n\n{target['tests']}\n"


def _imports(preamble: str) -> str:
    """The lines of the preamble that import: a reply may count on them."""
    lines = preamble.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith(("import ", "from ")))
