"""A double of the Tinker service for tests: a bigram model that really learns, on numpy alone.

`BigramService` has the part of `tinker.ServiceClient` that loops use, and its clients have the same
methods, futures and errors. The model predicts each token from the one before it by a table of
logits, trained in full by AdamW, so every loss and gradient is a closed form. Checkpoints are files
in a folder: a process that is killed and started again finds them.
"""

from tinker_core.testing.clients import BigramSamplingClient, BigramTrainingClient
from tinker_core.testing.futures import ReadyFuture, refused
from tinker_core.testing.losses import loss_and_slope
from tinker_core.testing.model import BigramModel
from tinker_core.testing.service import BigramService

__all__ = [
    "BigramModel",
    "BigramSamplingClient",
    "BigramService",
    "BigramTrainingClient",
    "ReadyFuture",
    "loss_and_slope",
    "refused",
]
