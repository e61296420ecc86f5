"""PEFT's logprobs and gradients, to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

LENGTHS = (3, 17, 17, 1, 9)


def close(one: Any, other: Any, tolerance: float = 2e-5) -> bool:
    return bool(np.allclose(one, other, rtol=1e-4, atol=tolerance))


def peft_logprobs(model: Any, datum: Any) -> torch.Tensor:
    logp = model(torch.from_numpy(datum.tokens)[None]).logits[0].log_softmax(-1)
    targets = torch.from_numpy(datum.inputs["target_tokens"])
    return logp.gather(-1, targets.reshape(len(targets), -1)).reshape(targets.shape)


def peft_gradients(model: Any) -> dict[str, np.ndarray]:
    return {
        name.replace(".default", ""): parameter.grad.numpy()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def random_weights(length: int, *more: int) -> np.ndarray:
    return np.random.default_rng(length).normal(size=(length, *more)).astype(np.float32)
