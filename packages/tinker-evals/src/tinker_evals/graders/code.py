"""The grader of programs: it runs them with their tests in a sandbox."""

from __future__ import annotations

import ast
from typing import Any

from attrs import field, frozen

from tinker_evals.dataset.item import Item
from tinker_evals.graders.answer_extraction import code_block
from tinker_evals.graders.grade import Grade
from tinker_evals.sandbox.sandbox import Sandbox


@frozen(kw_only=True)
class CodeGrader:
    """An item's target is `{"tests": text, "preamble": text, "entry_point": name, "names": names}`.

    All but `tests` are optional. The tests run in another process than the program, after the
    preamble; `entry_point` and `names` are the names that they take from the program even where
    the preamble or Python defines the same name. Strict runs the longest fenced block of the reply;
    lenient runs the whole reply if it has no fenced block. If the preamble opens a function
    (HumanEval), a reply that does not define `entry_point` continues it.
    """

    name: str = "code"
    version: int = 1
    sandbox: Sandbox = field(factory=Sandbox)

    async def grade(self, reply: str, item: Item) -> Grade:
        """1 if the program passes its tests. Raises GradingError."""
        block = code_block(reply)
        code = reply if block is None else block
        if not code.strip():
            return Grade(scores={"strict": 0.0, "lenient": 0.0}, answers={"strict": None})
        target = item.target
        entry = [target["entry_point"]] if "entry_point" in target else []
        ran = await self.sandbox.test(
            assemble(code, target),
            target["tests"],
            setup=_setup(target.get("preamble", "")),
            names=[*entry, *target.get("names", ())],
        )
        score = float(ran.passed)
        comment = "time limit exceeded" if ran.timed_out else f"{ran.error}\n{ran.output}".strip()
        return Grade(
            scores={"strict": 0.0 if block is None else score, "lenient": score},
            answers={"strict": block, "lenient": code},
            comment="" if ran.passed else comment,
        )


def assemble(code: str, target: dict[str, Any]) -> str:
    """The program to run: the reply's code with what it needs of the preamble."""
    preamble, name = target.get("preamble", ""), target.get("entry_point")
    if name is not None and f"def {name}(" not in code:
        code = preamble + code  # the body of the function that the preamble opens
    elif preamble:
        code = _imports(preamble) + code
    return code


def _setup(preamble: str) -> str:
    """The preamble, or its imports if it ends within a function."""
    try:
        ast.parse(preamble)
    except SyntaxError:
        return _imports(preamble)
    return preamble


def _imports(preamble: str) -> str:
    """The import lines of the preamble, which a reply may rely on."""
    lines = preamble.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith(("import ", "from ")))
