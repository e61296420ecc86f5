"""A bigram model: it predicts each token from the previous one. Its gradients are closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tinker
from attrs import define
from numpy.typing import NDArray

Array = NDArray[np.float64]
Tokens = NDArray[np.int64]


@define
class BigramModel:
    """Logits of the next token given the last, shape (V, V), and the AdamW state."""

    logits: Array
    gradient: Array
    mean: Array
    variance: Array
    step: int = 0

    @classmethod
    def blank(cls, vocab_size: int) -> BigramModel:
        """A model with equal logits for all tokens."""
        logits, gradient, mean, variance = np.zeros((4, vocab_size, vocab_size))
        return cls(logits, gradient, mean, variance)

    def logprobs(self) -> Array:
        """Log-softmax of the logits over the next token, shape (V, V)."""
        shifted = self.logits - self.logits.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))

    def add_gradient(self, inputs_N: Tokens, targets_N: Tokens, dloss_dlogprob_N: Array) -> None:
        """Accumulate through the softmax: dlogprob(target)/dlogits = onehot(target) - softmax."""
        np.add.at(self.gradient, (inputs_N, targets_N), dloss_dlogprob_N)
        probabilities = np.exp(self.logprobs())[inputs_N]
        np.add.at(self.gradient, inputs_N, -dloss_dlogprob_N[:, None] * probabilities)

    def update(self, adam: tinker.AdamParams) -> None:
        """Take one AdamW step (Loshchilov and Hutter, 2019) and reset the gradient."""
        gradient = self.gradient
        norm = float(np.sqrt((gradient**2).sum()))
        if adam.grad_clip_norm and norm > adam.grad_clip_norm:
            gradient = gradient * (adam.grad_clip_norm / norm)
        self.step += 1
        self.mean = adam.beta1 * self.mean + (1 - adam.beta1) * gradient
        self.variance = adam.beta2 * self.variance + (1 - adam.beta2) * gradient**2
        mean = self.mean / (1 - adam.beta1**self.step)
        variance = self.variance / (1 - adam.beta2**self.step)
        self.logits = self.logits * (1 - adam.learning_rate * adam.weight_decay)
        self.logits = self.logits - adam.learning_rate * mean / (np.sqrt(variance) + adam.eps)
        self.gradient = np.zeros_like(self.gradient)

    def save(self, path: Path, *, optimizer: bool) -> None:
        """Write the logits, and the optimizer state if `optimizer` is true."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if optimizer:
            state = {"mean": self.mean, "variance": self.variance, "step": np.array(self.step)}
            np.savez(path, allow_pickle=False, logits=self.logits, **state)
        else:
            np.savez(path, allow_pickle=False, logits=self.logits)

    @classmethod
    def load(cls, path: Path, *, optimizer: bool) -> BigramModel:
        """Read a file of `save`."""
        with np.load(path) as saved:
            model = cls.blank(len(saved["logits"]))
            model.logits = saved["logits"]
            if optimizer:
                model.mean, model.variance = saved["mean"], saved["variance"]
                model.step = int(saved["step"])
        return model
