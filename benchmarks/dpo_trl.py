"""Our preference losses beside TRL's, on the same log-probabilities: values and gradients.

    python benchmarks/dpo_trl.py        needs torch and trl

TRL computes its losses inside its trainers. They are called here without a model: a stand-in gives
the log-probabilities that a model would. So a new version of TRL may need this file changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import torch
import trl
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

from tinker_dpo import (
    Dpo,
    Ipo,
    Kto,
    Orpo,
    PairObjective,
    Response,
    Sides,
    SimPo,
    TokenLoss,
    judged_loss,
    pair_loss,
)

PAIRS, PROMPT, LENGTH = 16, 5, 24
BETA = 0.3


class StandIn:
    """What TRL's trainers ask of a model and of themselves; it masks, as TRL's models do."""

    def __init__(self, logprobs: torch.Tensor, **settings: object) -> None:
        self.logprobs = logprobs
        self.model = SimpleNamespace(training=True, peft_config={})
        self.accelerator = SimpleNamespace(
            device="cpu", gather=lambda value: value, gather_for_metrics=lambda value: value
        )
        self._metrics = {"train": defaultdict(list)}
        self._total_train_tokens, self._tp_size = 0, 1
        self.__dict__.update(settings)

    def forward(self, **_: object) -> SimpleNamespace:
        """Log-probabilities; the rest is for TRL's metrics."""
        zeros = torch.zeros_like(self.logprobs)
        return SimpleNamespace(
            log_probs=self.logprobs, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool()
        )


def draw(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (rows, LENGTH - 1) and the mask (rows, LENGTH) of responses."""
    random = np.random.default_rng(seed)
    ends = random.integers(PROMPT + 2, LENGTH + 1, size=rows)
    at = np.arange(LENGTH)
    mask = ((at >= PROMPT) & (at < ends[:, None])).astype(np.int64)
    return -random.exponential(size=(rows, LENGTH - 1)) * mask[:, 1:], mask


def responses(logprobs: np.ndarray, mask: np.ndarray, reference: np.ndarray) -> list[Response]:
    """The same for `tinker_dpo`."""
    return [
        Response(logprobs=row, mask=row_mask.astype(float), reference=float(ref))
        for row, row_mask, ref in zip(logprobs, mask[:, 1:], reference, strict=True)
    ]


def trl_pairs(loss_type: str, logprobs: torch.Tensor, mask: np.ndarray, ref: np.ndarray) -> object:
    """`DPOTrainer`'s loss; rows are all chosen, then all rejected."""
    trainer = StandIn(
        logprobs,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=[loss_type],
        loss_weights=[1.0],
        beta=BETA,
        label_smoothing=0.0,
        use_weighting=False,
    )
    inputs = {
        "input_ids": torch.zeros(mask.shape, dtype=torch.long),
        "attention_mask": torch.ones(mask.shape, dtype=torch.long),
        "completion_mask": torch.tensor(mask),
        "ref_chosen_logps": torch.tensor(ref[:PAIRS]),
        "ref_rejected_logps": torch.tensor(ref[PAIRS:]),
    }
    model = Model(trainer)
    return DPOTrainer._compute_loss(trainer, model, inputs, False)


class Model:
    """The stand-in as the model that is called."""

    def __init__(self, trainer: StandIn) -> None:
        self.trainer = trainer

    def __call__(self, **inputs: object) -> SimpleNamespace:
        return self.trainer.forward(**inputs)


def compare_pairs(name: str, loss_type: str, objective: PairObjective) -> None:
    """A loss of whole responses: values, and gradients by every token."""
    logprobs, mask = draw(2 * PAIRS, seed=0)
    ref = (logprobs.sum(1) + np.random.default_rng(1).normal(size=2 * PAIRS)).round(3)
    leaf = torch.tensor(logprobs, requires_grad=True)
    theirs = trl_pairs(loss_type, leaf * torch.tensor(mask[:, 1:]), mask, ref)
    theirs.backward()
    each = responses(logprobs, mask, ref)
    ours = pair_loss(objective, list(zip(each[:PAIRS], each[PAIRS:], strict=True)))
    order = [row for pair in range(PAIRS) for row in (pair, PAIRS + pair)]
    mine = gradients([each[row] for row in order], ours)
    report(name, ours.loss, theirs.item(), mine, leaf.grad.numpy()[order])


def compare_kto() -> None:
    """`KTOTrainer`'s loss; it has no gradient through the reference point either."""
    logprobs, mask = draw(PAIRS, seed=2)
    other, other_mask = draw(PAIRS, seed=3)
    random = np.random.default_rng(4)
    ref, ref_other = (x.sum(1) + random.normal(size=PAIRS) for x in (logprobs, other - 0.05))
    good = np.arange(PAIRS) % 3 > 0
    leaf = torch.tensor(logprobs, requires_grad=True)
    trainer = StandIn(
        leaf * torch.tensor(mask[:, 1:]),
        aux_loss_enabled=False,
        precompute_ref_logps=True,
        calculate_KL=True,
        loss_type="kto",
        beta=BETA,
        desirable_weight=1.2,
        undesirable_weight=0.8,
        _compute_kl_logps=lambda model, batch: torch.tensor(other.sum(1)),
    )
    batch = {
        "input_ids": torch.zeros(mask.shape, dtype=torch.long),
        "attention_mask": torch.ones(mask.shape, dtype=torch.long),
        "completion_mask": torch.tensor(mask),
        "label": torch.tensor(good),
        "ref_logps": torch.tensor(ref),
        "ref_KL_logps": torch.tensor(ref_other),
    }
    theirs = KTOTrainer._compute_loss(trainer, Model(trainer), batch, False)
    theirs.backward()
    objective = Kto(beta=BETA, desirable_weight=1.2, undesirable_weight=0.8)
    each = responses(logprobs, mask, ref)
    ours = judged_loss(objective, each, responses(other, other_mask, ref_other), good)
    report("kto", ours.loss, theirs.item(), gradients(each, ours), leaf.grad.numpy())


def compare_scores(
    name: str,
    theirs_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    objective: PairObjective,
) -> None:
    """A loss of mean log-probabilities: values, and gradients by both sides."""
    scores = -np.random.default_rng(5).exponential(size=(2, PAIRS)) - 0.05
    chosen, rejected = (torch.tensor(row, requires_grad=True) for row in scores)
    theirs = theirs_of(chosen, rejected)
    theirs.sum().backward()
    none = Sides(chosen=np.zeros(PAIRS), rejected=np.zeros(PAIRS))
    ours = objective.loss(Sides(chosen=scores[0], rejected=scores[1]), none)
    their_gradients = chosen.grad.numpy(), rejected.grad.numpy()
    mine = ours.dchosen, ours.drejected
    report(name, float(ours.loss.mean()), theirs.mean().item(), mine, their_gradients)


def gradients(trained: Sequence[Response], loss: TokenLoss) -> list[np.ndarray]:
    """The derivative by every token, shape (N,) for each response."""
    return [each.mask * slope for each, slope in zip(trained, loss.slopes, strict=True)]


def report(
    name: str,
    ours: float,
    theirs: float,
    our_gradients: Sequence[np.ndarray],
    their_gradients: Sequence[np.ndarray],
) -> None:
    """One line; ends the comparison where they differ."""
    pairs = zip(our_gradients, their_gradients, strict=True)
    difference = max(float(np.abs(a - b).max()) for a, b in pairs)
    print(f"{name:24} ours {ours:.8f}  TRL {theirs:.8f}  gradients differ by {difference:.1e}")
    if abs(ours - theirs) > 1e-6 * max(1.0, abs(theirs)) or difference > 1e-6:
        raise SystemExit(f"{name}: not the same loss")


def main() -> None:
    """All losses that both have."""
    print(f"TRL {trl.__version__}, torch {torch.__version__}")
    compare_pairs("dpo", "sigmoid", Dpo(beta=BETA))
    compare_pairs("dpo, length-normalised", "sigmoid_norm", Dpo(beta=BETA, length_normalised=True))
    compare_pairs("ipo, length-normalised", "ipo", Ipo(beta=BETA, length_normalised=True))
    compare_kto()
    cpu = SimpleNamespace(device="cpu")
    simpo = SimpleNamespace(
        alpha=0.0,
        accelerator=cpu,
        loss_type="simpo",
        simpo_gamma=0.5,
        beta=2.0,
        label_smoothing=0.0,
    )
    compare_scores(
        "simpo",
        lambda chosen, rejected: CPOTrainer.cpo_loss(simpo, chosen, rejected)[0],
        SimPo(beta=2.0, margin=0.5),
    )
    orpo = SimpleNamespace(beta=0.1, accelerator=cpu)
    compare_scores(
        "orpo",
        lambda chosen, rejected: -chosen - ORPOTrainer.odds_ratio_loss(orpo, chosen, rejected)[0],
        Orpo(weight=0.1),
    )


if __name__ == "__main__":
    main()
