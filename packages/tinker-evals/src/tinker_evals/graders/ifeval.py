"""The grader of IFEval: scores per prompt and per instruction, strict and loose."""

from __future__ import annotations

from attrs import frozen

from tinker_evals.dataset.item import Item
from tinker_evals.graders.grade import Grade
from tinker_evals.graders.ifeval_instructions import follows


@frozen
class InstructionGrader:
    """An item's target is `{"instruction_id_list": [...], "kwargs": [{...}, ...]}`.

    Loose tries eight forms of the reply, with or without its first line, its last line and its
    asterisks; an instruction is followed if one form follows it (section 3 of the paper).
    """

    name: str = "ifeval"
    version: int = 1

    async def grade(self, reply: str, item: Item) -> Grade:
        """Four scores; the first is 1 if the unchanged reply follows every instruction."""
        wanted = list(zip(item.target["instruction_id_list"], item.target["kwargs"], strict=True))
        strict = [follows(reply, name, arguments) for name, arguments in wanted]
        loose = [
            any(follows(form, name, arguments) for form in _forms(reply))
            for name, arguments in wanted
        ]
        return Grade(
            scores={
                "prompt_strict": float(all(strict)),
                "prompt_loose": float(all(loose)),
                "instruction_strict": sum(strict) / len(strict),
                "instruction_loose": sum(loose) / len(loose),
            },
            comment=", ".join(
                f"{name}: {'followed' if ok else 'not followed'}"
                for (name, _), ok in zip(wanted, strict, strict=True)
            ),
        )


def _forms(reply: str) -> list[str]:
    lines = reply.split("\n")
    cut = [lines, lines[1:], lines[:-1], lines[1:-1]]
    forms = [reply, *("\n".join(part).strip() for part in cut[1:])]
    return [*forms, *(form.replace("*", "") for form in forms)]
