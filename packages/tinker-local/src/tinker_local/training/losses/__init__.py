"""The loss functions, one class in one file each.

A loss is a formula over the logprobs of the target tokens. In the modules of this folder, lp is the
logprob of a target under the model, q the `logprobs` that the tokens were sampled with, A the
`advantages` and r = exp(lp - q). Every loss is a sum over tokens and sequences, without
normalisation. Formulas and defaults are those that Tinker documents for losses of the same names.

To add a loss, add a file here with a subclass of `Loss`; nothing else names it.
"""

from tinker_local.training.losses.loss import Loss
from tinker_local.training.losses.registry import LossRegistry, built_in_losses, import_loss

__all__ = ["Loss", "LossRegistry", "built_in_losses", "import_loss"]
