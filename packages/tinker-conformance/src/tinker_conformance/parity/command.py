"""`tinker-conformance parity`: one plan on two servers, one table."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack

import attrs

from tinker_conformance.client.server import Server
from tinker_conformance.engine import serving
from tinker_conformance.parity.divergence import (
    ALLOWED,
    Allowed,
    Divergence,
    divergences,
    table,
)
from tinker_conformance.parity.plan import Plan
from tinker_conformance.parity.trajectory import (
    Trajectory,
    batches,
    run,
    sequences,
    tokens_of,
)
from tinker_conformance.run.report import wide_console
from tinker_conformance.target import Target

CALLS_S = 3600.0
"""All calls of one server together."""


def parity(options: argparse.Namespace) -> int:
    """Run and compare; 1 when some quantity lies beyond its tolerance."""
    plan = Plan(
        steps=options.steps,
        batch=options.batch,
        length=options.length,
        rank=options.rank,
        learning_rate=options.learning_rate,
        seed=options.seed,
        loss=options.loss,
    )
    a, b, other_seed = _run_both(options, plan)
    allowed = _allowed(options)
    rows = divergences(a, b, other_seed, allowed)
    _print(rows, (a, b), allowed)
    if options.json is not None:
        options.json.write_text(json.dumps(_as_json(rows, plan, allowed), indent=1) + "\n")
    return 0 if all(row.within for row in rows) else 1


def _run_both(options: argparse.Namespace, plan: Plan) -> tuple[Trajectory, Trajectory, Trajectory]:
    """The plan on A, on B, and on A with another seed."""
    model_b = options.model_b or options.model
    with ExitStack() as stack:
        servers = []
        for url, key, model in (
            (options.a, options.key_a, options.model),
            (options.b, options.key_b, model_b),
        ):
            address, key = stack.enter_context(serving(url, key))
            target = Target(base_url=address, api_key=key, model=model)
            server = Server(target, CALLS_S)
            stack.callback(server.close)
            servers.append(server)
        reference = servers[0].trainer(rank=plan.rank, seed=plan.seed)
        text = None
        if options.text is not None:
            text = tokens_of(options.text, reference.client.get_tokenizer())
        data = batches(plan, sequences(plan, text), reference)
        a, b = (run(server, plan, data, plan.seed) for server in servers)
        return a, b, run(servers[0], plan, data, plan.seed + 1)


def _allowed(options: argparse.Namespace) -> Allowed:
    given = {
        "logprob": options.logprob_tolerance,
        "loss": options.loss_tolerance,
        "gradient_norm": options.gradient_norm_tolerance,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return attrs.evolve(ALLOWED[options.precision], **chosen)


def _print(rows: list[Divergence], runs: tuple[Trajectory, Trajectory], allowed: Allowed) -> None:
    console = wide_console()
    console.print(table(rows))
    for name, trajectory in zip("AB", runs, strict=True):
        largest = trajectory.sampler_difference
        console.print(f"{name}: logprobs of its sampler and trainer differ by up to {largest:.2e}")
    beyond = sum(not row.within for row in rows)
    console.print(
        f"{len(rows) - beyond} of {len(rows)} quantities within tolerance: "
        f"logprobs {allowed.logprob:g}, loss per token {allowed.loss:g}, "
        f"gradient norm {allowed.gradient_norm:g} (relative), "
        "each plus twice what two seeds on A differ by",
        soft_wrap=True,
    )


def _as_json(rows: list[Divergence], plan: Plan, allowed: Allowed) -> dict[str, object]:
    return {
        "plan": attrs.asdict(plan),
        "allowed": attrs.asdict(allowed),
        "rows": [{**attrs.asdict(row), "within": row.within} for row in rows],
    }
