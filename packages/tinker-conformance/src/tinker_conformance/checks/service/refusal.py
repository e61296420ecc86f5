"""Requests that are wrong or ask for what a server may lack: an error says so, at once."""

from __future__ import annotations

import numpy as np
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.batch import Datum, make_datum
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import LOSS
from tinker_conformance.expect import expect, expect_refusal, refused
from tinker_conformance.experiment.policy import policy_batch
from tinker_conformance.experiment.samples import PROMPT, free
from tinker_conformance.experiment.sequences import OTHER, PROBE

FAR = 2_000_000_000
"""A token of no vocabulary."""


@check
def unknown_loss(server: Server) -> None:
    """A loss that a server does not have is refused, not replaced by another."""
    trainer = server.trainer()
    for submit in (trainer.forward, trainer.forward_backward):
        expect_refusal(server, "a loss of no such name", submit, PROBE, "no_such_loss")


@check
def unknown_config_key(server: Server) -> None:
    """A key of loss_fn_config that a loss does not know is refused, not ignored."""
    trainer = server.trainer()
    batch, config = policy_batch(trainer), {"clip_range": 0.1}
    expect_refusal(server, "ppo with clip_range", trainer.forward, batch, "ppo", config)


@check
def missing_input(server: Server) -> None:
    """A loss without one of its inputs is refused."""
    trainer, loss = server.trainer(), "importance_sampling"
    for name in ("logprobs", "advantages", "target_tokens"):
        batch = (policy_batch(trainer)[0].replace(**{name: None}),)
        expect_refusal(server, f"{loss} without {name}", trainer.forward, batch, loss)


@check
def wrong_length(server: Server) -> None:
    """Inputs that are shorter or longer than the tokens are refused, not cut or padded."""
    trainer, datum = server.trainer(), PROBE[0]
    targets, weights = datum.column("target_tokens"), datum.column("weights")
    wrong: dict[str, Datum] = {
        "a target too few": datum.replace(target_tokens=targets[:-1], weights=weights[:-1]),
        "a weight too few": datum.replace(weights=weights[:-1]),
        "a weight too many": datum.replace(weights=[*weights, 1.0]),
        "targets (N, 2) with weights (N,)": datum.replace(
            target_tokens=np.stack([targets, targets], axis=1)
        ),
    }
    for what, each in wrong.items():
        expect_refusal(server, what, trainer.forward, (each,))


@check
def soft_targets_of_other_losses(server: Server) -> None:
    """(N, K) targets are refused where a loss takes (N,)."""
    trainer = server.trainer()
    datum = policy_batch(trainer)[0]
    wide = {name: np.stack([datum.column(name)] * 2, axis=1) for name in datum.inputs}
    batch = (datum.replace(**wide),)
    expect_refusal(server, "(N, 2) targets of ppo", trainer.forward, batch, "ppo")


@check
def unknown_token(server: Server) -> None:
    """A token outside of the vocabulary is refused in data and prompts."""
    trainer, sampler, datum = server.trainer(), server.sampler(), PROBE[0]
    bad = make_datum([*datum.tokens[:-1], FAR], **datum.inputs)
    expect_refusal(server, f"input token {FAR}", trainer.forward, (bad,))
    for value in (FAR, -1):
        targets = datum.column("target_tokens").copy()
        targets[2] = value
        batch = (datum.replace(target_tokens=targets),)
        expect_refusal(server, f"target token {value}", trainer.forward, batch)
    expect_refusal(server, f"prompt token {FAR}", sampler.sample, [*PROMPT, FAR], free(1))


@check
def not_a_number(server: Server) -> None:
    """NaN in an input is refused, or makes the loss NaN; it is not taken for a number."""
    trainer = server.trainer()
    weights = PROBE[0].column("weights").copy()
    weights[1] = np.nan
    batch = (PROBE[0].replace(weights=weights),)
    if refused(trainer.forward, batch) is None:
        loss = trainer.forward(batch).result().show(LOSS)
        is_nan = bool(np.isnan(loss.array))
        expect(is_nan, "loss:sum with a weight of NaN", loss, "an error or NaN")


@check
def sampling_params(server: Server) -> None:
    """Sampling parameters that mean nothing are refused."""
    sampler = server.sampler()
    for options in ({"temperature": -1.0}, {"top_p": 1.5}, {"top_p": -0.1}, {"top_k": -5}):
        what, params = f"sampling with {options}", free(2, **options)
        expect_refusal(server, what, sampler.sample, PROMPT, params)
    negative = types.SamplingParams(max_tokens=-1)
    expect_refusal(server, "max_tokens=-1", sampler.sample, PROMPT, negative)


@check
def empty(server: Server) -> None:
    """An empty prompt and a datum without tokens are refused."""
    expect_refusal(server, "an empty prompt", server.sampler().sample, [], free(2))
    nothing = make_datum([], target_tokens=np.zeros(0, np.int64), weights=np.zeros(0))
    expect_refusal(server, "an empty datum", server.trainer().forward, (nothing,))


@check
def unknown_model(server: Server) -> None:
    """A base model that a server does not have is refused, for training and for sampling."""
    name = "no-such-organisation/no-such-model"
    for method in ("create_lora_training_client", "create_sampling_client"):
        expect_refusal(server, f"{method} of {name}", server.create, method, base_model=name)


@check
def unknown_checkpoint(server: Server) -> None:
    """A checkpoint that does not exist is refused, for training and for sampling."""
    run = server.trainer().client.model_id
    load, what = "create_training_client_from_state_with_optimizer", "a checkpoint of no such name"
    expect_refusal(server, what, server.create, load, f"tinker://{run}/weights/none")
    path = f"tinker://{run}/sampler_weights/none"
    expect_refusal(server, what, server.create, "create_sampling_client", model_path=path)


@check
def checkpoint_name(server: Server) -> None:
    """A checkpoint's name with a path in it is refused."""
    trainer = server.trainer()
    for name in ("../../escape", "a/b", ".."):
        expect_refusal(server, f"the checkpoint name {name!r}", trainer.save_state, name)


@check
def other_optimizer(server: Server) -> None:
    """An optimizer that a server does not have is refused, not replaced by Adam."""
    method = "create_lora_training_client"
    options = {"base_model": server.target.model, "optimizer": types.DimuonOptimizerConfig()}
    if refused(server.create, method, **options) is not None:
        server.notes["dimuon"] = "refused"
        return
    server.notes["dimuon"] = "accepted"
    config = server.create(method, **options).get_info().optimizer_config
    kept = getattr(config, "type", None) == "dimuon"
    shown = server.rest("get_server_capabilities")
    expect(kept, "optimizer_config of get_info", shown, "dimuon", came=repr(config))


@check
def step_without_gradient(server: Server) -> None:
    """A step without a gradient is refused, or leaves a new model as it is."""
    trainer = server.trainer()
    before = trainer.logprobs(PROBE).array
    message = refused(trainer.step, types.AdamParams(learning_rate=1e-2))
    server.notes["optim_step without a gradient"] = "accepted" if message is None else "refused"
    after = trainer.logprobs(PROBE)
    same = bool(np.allclose(after.array, before, atol=server.tolerance.logprob))
    expect(same, "logprobs after a step without a gradient", after, str(before.round(4)))


@check
def refused_parts(server: Server) -> None:
    """One wrong datum refuses its whole call."""
    batch = (*PROBE, OTHER[0].replace(weights=[1.0]))
    submit = server.trainer().forward
    message = expect_refusal(server, "a batch with a wrong datum", submit, batch)
    server.notes["message about a wrong datum"] = message.partition(" for self.")[0]
