"""The kept list of ways in which a Tinker server can be wrong, as patches of a healthy engine.

Each defect names the check that must catch it. Many were found in servers that exist.
"""

from __future__ import annotations

from defects import checkpoint, draw, loss, optimizer, refusal, target
from defects.defect import Defect

DEFECTS = [
    value
    for module in (loss, target, draw, optimizer, checkpoint, refusal)
    for value in vars(module).values()
    if isinstance(value, Defect)
]
