"""Soft targets, (N, K) instead of (N,), dense and sparse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.batch import Datum, make_datum
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import LOGPROBS, LOSS
from tinker_conformance.expect import BlockedError, expect, expect_close
from tinker_conformance.experiment.effect import compare
from tinker_conformance.experiment.sequences import HIGHEST, LOWEST, PROBE, tokens
from tinker_conformance.experiment.step_size import descent, step_size
from tinker_conformance.experiment.tokenizer import tokenizer

K = 3


def _candidates(length: int) -> NDArray[np.int64]:
    """Different tokens (N, K), in no order."""
    generator = np.random.default_rng(7)
    return np.array(
        [generator.choice(np.arange(LOWEST, HIGHEST), K, replace=False) for _ in range(length)]
    )


def _soft() -> Datum:
    """Candidates with probabilities that differ from row to row; some are zero."""
    length = len(PROBE[0].tokens)
    weights = np.random.default_rng(8).dirichlet(np.ones(K), length)
    weights[1] = (0.0, 1.0, 0.0)
    weights[4, 2] = 0.0
    return make_datum(PROBE[0].tokens, target_tokens=_candidates(length), weights=weights)


def _column(soft: Datum, k: int) -> Datum:
    """The hard targets of column k."""
    return make_datum(
        soft.tokens,
        target_tokens=soft.column("target_tokens")[:, k],
        weights=soft.column("weights")[:, k],
    )


def _sparse(values: NDArray[np.generic], kept: NDArray[np.bool_]) -> types.TensorData:
    """The CSR form of the cells in `kept`."""
    rows, columns = np.nonzero(kept)
    crow = np.concatenate([[0], np.cumsum(kept.sum(1))])
    return types.TensorData(
        data=values[rows, columns].tolist(),
        dtype="int64" if values.dtype.kind == "i" else "float32",
        shape=list(values.shape),
        sparse_crow_indices=crow.tolist(),
        sparse_col_indices=columns.tolist(),
    )


@check
def values(server: Server) -> None:
    """(N, K) targets: `logprobs` is (N, K), each column as the same tokens as hard targets."""
    trainer, soft = server.trainer(), _soft()
    hard = [trainer.logprobs((_column(soft, k),)).array for k in range(K)]
    reply = trainer.forward((soft,)).result()
    lp = reply.show(LOGPROBS.format(index=0))
    atol = server.tolerance.logprob
    expect_close("logprobs of (N, K) targets", lp, np.stack(hard, axis=1), atol=atol)
    expected = -(soft.column("weights") * lp.array).sum()
    rtol = server.tolerance.loss
    expect_close("loss:sum of (N, K) targets", reply.show(LOSS), expected, rtol=rtol)


@check
def gradient(server: Server) -> None:
    """The gradient of (N, K) targets is the sum of those of its columns."""
    soft, params = _soft(), descent(step_size(server))
    columns = tuple(_column(soft, k) for k in range(K))
    compare(
        server,
        "logprobs after a step on (N, K) targets",
        lambda trainer: trainer.train((soft,), params),
        lambda trainer: trainer.train(columns, params),
    )


@check
def one_candidate(server: Server) -> None:
    """(N, 1) targets are the (N,) ones in another shape."""
    trainer = server.trainer()
    wide = PROBE[0].replace(
        target_tokens=PROBE[0].column("target_tokens")[:, None],
        weights=PROBE[0].column("weights")[:, None],
    )
    expected = trainer.logprobs(PROBE[:1]).array
    came = trainer.forward((wide,)).result().show(LOGPROBS.format(index=0))
    expect_close("logprobs", came, expected[:, None], atol=server.tolerance.logprob)


@check
def mixed_batch(server: Server) -> None:
    """Datums with (N,), (N, K) and (M,) targets in one call keep their order and shapes."""
    trainer, soft = server.trainer(), _soft()
    alone = [trainer.logprobs((datum,)).array for datum in (PROBE[0], soft, PROBE[1])]
    reply = trainer.forward((PROBE[0], soft, PROBE[1])).result()
    for index, expected in enumerate(alone):
        lp = reply.show(LOGPROBS.format(index=index))
        wanted = expected.reshape(-1, K) if index == 1 else expected
        expect_close(f"logprobs of datum {index}", lp, wanted, atol=server.tolerance.logprob)


@check
def sparse(server: Server) -> None:
    """CSR targets and weights count as the dense ones; cells that are not listed add nothing."""
    soft = _soft()
    kept = soft.column("weights") != 0
    csr = soft.replace(
        target_tokens=_sparse(soft.column("target_tokens"), kept),
        weights=_sparse(soft.column("weights"), kept),
    )
    trainer = server.trainer()
    dense = trainer.forward((soft,)).result()
    reply = trainer.forward((csr,)).result()
    rtol = server.tolerance.loss
    expect_close("loss:sum of CSR targets", reply.show(LOSS), dense.show(LOSS).array, rtol=rtol)
    lp = reply.show(LOGPROBS.format(index=0))
    expect(lp.array.shape == kept.shape, "shape of logprobs", lp, str(kept.shape))
    listed = np.where(kept, lp.array - dense.show(LOGPROBS.format(index=0)).array, 0.0)
    within = float(np.abs(listed).max()) <= server.tolerance.logprob
    expect(within, "logprobs of the listed cells", lp, "those of dense targets")


@check
def sparse_gradient(server: Server) -> None:
    """The gradient of CSR targets is that of the dense ones."""
    soft, params = _soft(), descent(step_size(server))
    kept = soft.column("weights") != 0
    csr = soft.replace(
        target_tokens=_sparse(soft.column("target_tokens"), kept),
        weights=_sparse(soft.column("weights"), kept),
    )
    compare(
        server,
        "logprobs after a step on CSR targets",
        lambda trainer: trainer.train((csr,), params),
        lambda trainer: trainer.train((soft,), params),
    )


@check
def probabilities_sum_to_one(server: Server) -> None:
    """The probabilities of all tokens of a small vocabulary sum to 1, those of some to no more."""
    size = _vocabulary(server)
    complete = size <= 1024
    candidates = np.arange(size if complete else 256)
    datum = make_datum(
        tokens(2, 11),
        target_tokens=np.tile(candidates, (2, 1)),
        weights=np.zeros((2, len(candidates))),
    )
    reply = server.trainer().forward((datum,)).result()
    total = reply.show('np.exp($.loss_fn_outputs[0]["logprobs"].to_numpy()).sum(-1)')
    atol = server.tolerance.loss * 10
    what = f"sum of the probabilities of {len(candidates)} tokens"
    if complete:
        expect_close(what, total, np.ones(2), atol=atol)
    expect(bool((total.array <= 1 + atol).all()), what, total, "at most 1")


def _vocabulary(server: Server) -> int:
    """The number of tokens; a large one where no tokenizer can be had."""
    try:
        return len(tokenizer(server))
    except BlockedError:
        return 1 << 20
