"""Preference losses, one a file; see `objective` for how to add one."""

from tinker_dpo.objectives.bradley_terry import BradleyTerry
from tinker_dpo.objectives.dpo import Dpo
from tinker_dpo.objectives.ipo import Ipo
from tinker_dpo.objectives.kto import Kto
from tinker_dpo.objectives.orpo import Orpo
from tinker_dpo.objectives.simpo import SimPo

BuiltinObjective = Dpo | Ipo | SimPo | Orpo | BradleyTerry | Kto
"""The losses that the command line offers."""

__all__ = ["BradleyTerry", "BuiltinObjective", "Dpo", "Ipo", "Kto", "Orpo", "SimPo"]
