"""A test double of the Tinker service: a bigram model that learns, in NumPy.

`BigramService` implements the part of `tinker.ServiceClient` that the loops use; its clients have
the same methods, futures and errors. The model predicts each token from the previous one with a
table of logits. AdamW trains the whole table, so every loss and gradient has a closed form.
Checkpoints are files in a folder: a process that is killed and started again finds them.
"""

from tinker_core.testing.clients import BigramSamplingClient, BigramTrainingClient
from tinker_core.testing.futures import ReadyFuture, refused
from tinker_core.testing.hostile_arguments import hostile_arguments
from tinker_core.testing.losses import loss_and_slope
from tinker_core.testing.model import BigramModel
from tinker_core.testing.service import BigramRestClient, BigramService

__all__ = [
    "BigramModel",
    "BigramRestClient",
    "BigramSamplingClient",
    "BigramService",
    "BigramTrainingClient",
    "ReadyFuture",
    "hostile_arguments",
    "loss_and_slope",
    "refused",
]
