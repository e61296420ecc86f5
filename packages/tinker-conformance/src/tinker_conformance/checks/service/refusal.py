"""Requests that are wrong or ask for what a server may lack: an error says so, at once."""

from __future__ import annotations

import numpy as np
import tinker
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.batch import Row
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import LOSS
from tinker_conformance.expect import expect, expect_refusal, refusal
from tinker_conformance.experiment.policy import policy_batch
from tinker_conformance.experiment.samples import PROMPT, free
from tinker_conformance.experiment.sequences import OTHER, PROBE

FAR = 2_000_000_000
"""A token of no vocabulary."""


@check
def unknown_loss(server: Server) -> None:
    """A loss that a server does not have is refused, not replaced by another."""
    trainer = server.trainer()
    for method in (trainer.forward, trainer.forward_backward):
        expect_refusal(
            server, "a loss of no such name", lambda m=method: m(PROBE, "no_such_loss").result()
        )


@check
def unknown_config_key(server: Server) -> None:
    """A key of loss_fn_config that a loss does not know is refused, not ignored."""
    trainer = server.trainer()
    batch, config = policy_batch(trainer), {"clip_range": 0.1}
    call = lambda: trainer.forward(batch, "ppo", config).result()  # noqa: E731
    expect_refusal(server, "ppo with the key clip_range", call)


@check
def missing_input(server: Server) -> None:
    """A loss without one of its inputs is refused."""
    trainer = server.trainer()
    for name in ("logprobs", "advantages", "target_tokens"):
        batch = (policy_batch(trainer)[0].replace(**{name: None}),)
        call = lambda b=batch: trainer.forward(b, "importance_sampling").result()  # noqa: E731
        expect_refusal(server, f"importance_sampling without {name}", call)


@check
def wrong_length(server: Server) -> None:
    """Inputs that are shorter or longer than the tokens are refused, not cut or padded."""
    trainer, datum = server.trainer(), PROBE[0]
    targets, weights = datum.column("target_tokens"), datum.column("weights")
    wrong: dict[str, Row] = {
        "a target too few": datum.replace(target_tokens=targets[:-1], weights=weights[:-1]),
        "a weight too few": datum.replace(weights=weights[:-1]),
        "a weight too many": datum.replace(weights=[*weights, 1.0]),
        "targets (N, 2) with weights (N,)": datum.replace(
            target_tokens=np.stack([targets, targets], axis=1)
        ),
    }
    for what, each in wrong.items():
        expect_refusal(server, what, lambda each=each: trainer.forward((each,)).result())


@check
def soft_targets_of_other_losses(server: Server) -> None:
    """(N, K) targets are refused where a loss takes (N,)."""
    trainer = server.trainer()
    datum = policy_batch(trainer)[0]
    wide = datum.replace(
        **{name: np.stack([datum.column(name)] * 2, axis=1) for name in datum.inputs}
    )
    call = lambda: trainer.forward((wide,), "ppo").result()  # noqa: E731
    expect_refusal(server, "(N, 2) targets of ppo", call)


@check
def unknown_token(server: Server) -> None:
    """A token outside of the vocabulary is refused in data and prompts."""
    trainer, sampler, datum = server.trainer(), server.sampler(), PROBE[0]
    bad = Row((*datum.tokens[:-1], FAR), datum.inputs)
    expect_refusal(server, f"input token {FAR}", lambda: trainer.forward((bad,)).result())
    targets = datum.column("target_tokens").copy()
    for value in (FAR, -1):
        targets[2] = value
        each = datum.replace(target_tokens=targets)
        call = lambda each=each: trainer.forward((each,)).result()  # noqa: E731
        expect_refusal(server, f"target token {value}", call)
    sample = lambda: sampler.sample([*PROMPT, FAR], free(1)).result()  # noqa: E731
    expect_refusal(server, f"prompt token {FAR}", sample)


@check
def not_a_number(server: Server) -> None:
    """NaN in an input is refused, or makes the loss NaN; it is not taken for a number."""
    trainer = server.trainer()
    weights = PROBE[0].column("weights").copy()
    weights[1] = np.nan
    try:
        reply = trainer.forward((PROBE[0].replace(weights=weights),)).result()
    except Exception as error:
        if refusal(error) is None:
            raise
        return
    loss = reply.show(LOSS)
    expect(bool(np.isnan(loss.array)), "loss:sum with a weight of NaN", loss, "an error or NaN")


@check
def sampling_params(server: Server) -> None:
    """Sampling parameters that mean nothing are refused."""
    sampler = server.sampler()
    wrong = ({"temperature": -1.0}, {"top_p": 1.5}, {"top_p": -0.1}, {"top_k": -5})
    for options in wrong:
        params = free(2, **options)
        call = lambda p=params: sampler.sample(PROMPT, p).result()  # noqa: E731
        expect_refusal(server, f"sampling with {options}", call)
    negative = types.SamplingParams(max_tokens=-1)
    call = lambda: sampler.sample(PROMPT, negative).result()  # noqa: E731
    expect_refusal(server, "max_tokens=-1", call)


@check
def empty(server: Server) -> None:
    """An empty prompt and a datum without tokens are refused."""
    sampler, trainer = server.sampler(), server.trainer()
    expect_refusal(server, "an empty prompt", lambda: sampler.sample([], free(2)).result())
    nothing = Row((), {}).replace(target_tokens=np.zeros(0, np.int64), weights=np.zeros(0))
    expect_refusal(server, "an empty datum", lambda: trainer.forward((nothing,)).result())


@check
def unknown_model(server: Server) -> None:
    """A base model that a server does not have is refused, for training and for sampling."""
    name = "no-such-organisation/no-such-model"
    for method in ("create_lora_training_client", "create_sampling_client"):
        call = lambda m=method: server.create(m, base_model=name)  # noqa: E731
        expect_refusal(server, f"{method} of {name}", call)


@check
def unknown_checkpoint(server: Server) -> None:
    """A checkpoint that does not exist is refused, for training and for sampling."""
    run = server.trainer().client.model_id
    loads = "create_training_client_from_state_with_optimizer"
    state = lambda: server.create(loads, f"tinker://{run}/weights/none")  # noqa: E731
    expect_refusal(server, "loading a checkpoint that does not exist", state)
    path = f"tinker://{run}/sampler_weights/none"
    sampler = lambda: server.create("create_sampling_client", model_path=path)  # noqa: E731
    expect_refusal(server, "sampling a checkpoint that does not exist", sampler)


@check
def checkpoint_name(server: Server) -> None:
    """A checkpoint's name with a path in it is refused."""
    trainer = server.trainer()
    for name in ("../../escape", "a/b", ".."):
        call = lambda n=name: trainer.save_state(n)  # noqa: E731
        expect_refusal(server, f"save_state under the name {name!r}", call)


@check
def other_optimizer(server: Server) -> None:
    """An optimizer that a server does not have is refused, not replaced by Adam."""
    optimizer = types.DimuonOptimizerConfig()
    try:
        client: tinker.TrainingClient = server.create(
            "create_lora_training_client", base_model=server.target.model, optimizer=optimizer
        )
    except Exception as error:
        if refusal(error) is None:
            raise
        server.notes["dimuon"] = "refused"
        return
    config = client.get_info().optimizer_config
    server.notes["dimuon"] = f"accepted, get_info says {config!r}"
    shown = server.rest("get_server_capabilities")
    kept = getattr(config, "type", None) == "dimuon"
    expect(kept, "optimizer_config of get_info", shown, "dimuon", came=repr(config))


@check
def step_without_gradient(server: Server) -> None:
    """A step without a gradient is refused, or leaves a new model as it is."""
    trainer = server.trainer()
    before = trainer.logprobs(PROBE).array
    name = "optim_step without a gradient"
    try:
        trainer.step(types.AdamParams(learning_rate=1e-2)).result()
    except Exception as error:
        if refusal(error) is None:
            raise
        server.notes[name] = "refused"
    else:
        server.notes[name] = "accepted"
    after = trainer.logprobs(PROBE)
    same = bool(np.allclose(after.array, before, atol=server.tolerance.logprob))
    expect(same, "logprobs after a step without a gradient", after, str(before.round(4)))


@check
def refused_parts(server: Server) -> None:
    """One wrong datum refuses its whole call, with a message that is not empty."""
    trainer = server.trainer()
    wrong = OTHER[0].replace(weights=[1.0])
    message = expect_refusal(
        server, "a batch with a wrong datum", lambda: trainer.forward((*PROBE, wrong)).result()
    )
    server.notes["message about a wrong datum"] = message
