"""The losses of the Tinker API with their derivatives by the logprobs, in NumPy.

p are the logprobs of the targets of a datum, q its `logprobs`, A its `advantages`, w its `weights`,
and r = exp(p - q). Terms behind the bar are constants in the derivative:

    cross_entropy         -sum w p
    importance_sampling   -sum r A
    ppo                   -sum min(r A, clip(r) A)
    cispo                 -sum c A p                        | c = clip(r)
    dro                   -sum (A p - beta/2 (p - q)^2)     over sampled tokens: A or q is not 0
    gspo                  -sum min(s A, clip(s) A)          s = exp(mean over the mask of (p - q)),
                                                            whose slope is s at each token
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tinker_core.testing.futures import refused
from tinker_core.testing.model import Array

Inputs = Mapping[str, Array]
Settings = Mapping[str, float]
LossAndSlope = tuple[float, Array]


def loss_and_slope(
    name: str, logprobs_N: Array, inputs: Inputs, settings: Mapping[str, float | str]
) -> LossAndSlope:
    """The loss summed over the tokens of a datum, and its derivative by each logprob, shape (N,).

    Raises RequestFailedError for an unknown loss or setting, and for a missing input.
    """
    if name not in _LOSSES:
        raise refused(f"the bigram model knows no loss {name!r}")
    formula, defaults = _LOSSES[name]
    if unknown := settings.keys() - defaults.keys():
        raise refused(f"loss {name!r} has no setting {sorted(unknown)}")
    values = {**defaults, **{key: float(value) for key, value in settings.items()}}
    try:
        return formula(logprobs_N, inputs, values)
    except KeyError as missing:
        raise refused(f"loss {name!r} needs the input {missing}") from missing


def _cross_entropy(p_N: Array, inputs: Inputs, settings: Settings) -> LossAndSlope:
    weights_N = inputs.get("weights", np.ones_like(p_N))
    return -float((weights_N * p_N).sum()), -weights_N


def _importance_sampling(p_N: Array, inputs: Inputs, settings: Settings) -> LossAndSlope:
    gain_N = np.exp(p_N - inputs["logprobs"]) * inputs["advantages"]
    return -float(gain_N.sum()), -gain_N


def _ppo(p_N: Array, inputs: Inputs, settings: Settings) -> LossAndSlope:
    return _clipped(np.exp(p_N - inputs["logprobs"]), inputs["advantages"], settings)


def _gspo(p_N: Array, inputs: Inputs, settings: Settings) -> LossAndSlope:
    counted_N = inputs["sequence_ratio_mask"] != 0
    ratio = np.exp((p_N - inputs["logprobs"])[counted_N].mean())
    return _clipped(np.full_like(p_N, ratio), inputs["advantages"], settings)


def _clipped(ratio_N: Array, advantages_N: Array, settings: Settings) -> LossAndSlope:
    """The clipped objective; the derivative of the ratio by the logprob is the ratio itself."""
    gain_N = ratio_N * advantages_N
    clipped_N = _clip(ratio_N, settings) * advantages_N
    loss = -float(np.minimum(gain_N, clipped_N).sum())
    return loss, np.where(gain_N <= clipped_N, -gain_N, 0.0)


def _cispo(p_N: Array, inputs: Inputs, settings: Settings) -> LossAndSlope:
    factor_N = _clip(np.exp(p_N - inputs["logprobs"]), settings) * inputs["advantages"]
    return -float((factor_N * p_N).sum()), -factor_N


def _dro(p_N: Array, inputs: Inputs, settings: Settings) -> LossAndSlope:
    q_N, advantages_N = inputs["logprobs"], inputs["advantages"]
    drift_N = np.where((q_N != 0) | (advantages_N != 0), p_N - q_N, 0.0)
    beta = settings["beta"]
    loss = -float((advantages_N * p_N - beta / 2 * drift_N**2).sum())
    return loss, beta * drift_N - advantages_N


def _clip(ratio_N: Array, settings: Settings) -> Array:
    return np.clip(ratio_N, settings["clip_low_threshold"], settings["clip_high_threshold"])


_PPO_CLIP = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
_LOSSES: dict[str, tuple[Callable[[Array, Inputs, Settings], LossAndSlope], Settings]] = {
    "cross_entropy": (_cross_entropy, {}),
    "importance_sampling": (_importance_sampling, {}),
    "ppo": (_ppo, _PPO_CLIP),
    "cispo": (_cispo, {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0}),
    "dro": (_dro, {"beta": 0.05}),
    "gspo": (_gspo, _PPO_CLIP),
}
