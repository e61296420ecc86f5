"""Client time of a DPO step: our numpy gradient beside the SDK's `forward_backward_custom`.

    python benchmarks/dpo_client.py [--pairs 64] [--tokens 1024] [--repeats 20] [--engine]

Both are given the same log-probabilities of a forward pass and make the datums of the backward
pass; timed is everything between the two, which is all that differs. The gradients are compared
before anything is timed. With `--engine` whole steps go to the local engine with `local/tiny`, and
the CPU time of this process is compared, requests included. Runs are interleaved, and the median of
the ratios of neighbours is printed, so that a shared machine still gives an answer; and the least
of each, since whatever else runs only adds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import tinker
import torch
from tinker import types
from tinker.lib.public_interfaces.training_client import TrainingClient

from tinker_core import next_token_datum
from tinker_dpo import Dpo, RenderedPair, RenderedResponse, datums_of, surrogate
from tinker_dpo.custom_loss import Surrogate
from tinker_train import connect

BETA = 0.1
VOCABULARY = 256  # within that of local/tiny


def make_pairs(num_pairs: int, num_tokens: int) -> list[RenderedPair]:
    """Random pairs of up to `num_tokens` tokens a side, the second half being the response."""
    random = np.random.default_rng(0)

    def side() -> RenderedResponse:
        length = int(random.integers(num_tokens // 2, num_tokens + 1))
        tokens = random.integers(0, VOCABULARY, length).tolist()
        return RenderedResponse(next_token_datum(tokens, weights=np.arange(length) >= length // 2))

    return [RenderedPair(chosen=side(), rejected=side()) for _ in range(num_pairs)]


def make_outputs(datums: list[tinker.Datum]) -> types.ForwardBackwardOutput:
    """Log-probabilities as an engine sends them."""
    random = np.random.default_rng(1)
    outputs = [
        {
            "logprobs": tinker.TensorData.from_numpy(
                -random.exponential(size=datum.model_input.length).astype(np.float32)
            )
        }
        for datum in datums
    ]
    return types.ForwardBackwardOutput(
        loss_fn_output_type="ArrayRecord", loss_fn_outputs=outputs, metrics={"loss:sum": 0.0}
    )


def torch_loss(
    datums: list[tinker.Datum], logprobs: list[torch.Tensor], references: torch.Tensor
) -> tuple[torch.Tensor, dict[str, float]]:
    """DPO as one writes it for the SDK, with the metrics that our loss gives too."""
    masks = [datum.loss_fn_inputs["weights"].to_torch() for datum in datums]
    totals = torch.stack([(m * lp).sum() for m, lp in zip(masks, logprobs, strict=True)])
    rewards = BETA * (totals - references)
    margins = rewards[::2] - rewards[1::2]
    loss = -torch.nn.functional.logsigmoid(margins).mean()
    metrics = {
        "accuracy": (margins > 0).float().mean().item(),
        "margin": margins.mean().item(),
        "chosen_reward": rewards[::2].mean().item(),
        "rejected_reward": rewards[1::2].mean().item(),
    }
    return loss, metrics


def weights_of(datums: list[tinker.Datum]) -> list[np.ndarray]:
    """What the backward pass is weighted with."""
    return [datum.loss_fn_inputs["weights"].to_numpy() for datum in datums]


def fresh(pairs: list[RenderedPair]) -> list[RenderedPair]:
    """The same pairs without what has been worked out of them before, as in a new batch."""
    return [
        RenderedPair(
            chosen=RenderedResponse(pair.chosen.datum),
            rejected=RenderedResponse(pair.rejected.datum),
        )
        for pair in pairs
    ]


def compare(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    repeats: int,
    clock: Callable[[], float],
) -> str:
    """Medians in milliseconds and that of the ratios; then the least of each."""

    def timed(run: Callable[[], object]) -> float:
        began = clock()
        run()
        return clock() - began

    times = [(timed(ours), timed(theirs)) for _ in range(repeats)]
    mine, sdk = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    least, least_sdk = (1e3 * min(column) for column in zip(*times, strict=True))
    return (
        f"tinker-dpo {mine:.1f} ms, forward_backward_custom {sdk:.1f} ms, ratio {ratio:.2f}; "
        f"least {least:.1f} and {least_sdk:.1f} ms, ratio {least / least_sdk:.2f}"
    )


def main() -> None:
    """Compare the gradients, then the times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--engine", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(2)
    pairs = make_pairs(options.pairs, options.tokens)
    outputs = make_outputs(datums_of(pairs))
    responses = [response for pair in pairs for response in pair.responses]
    values = -np.random.default_rng(2).exponential(size=len(responses)) * options.tokens / 2
    references = {r.key: float(v) for r, v in zip(responses, values, strict=True)}
    reference_tensor = torch.tensor(values, dtype=torch.float32)

    def loss(datums: list[tinker.Datum], logprobs: list[torch.Tensor]) -> object:
        return torch_loss(datums, logprobs, reference_tensor)

    def ours() -> Surrogate:
        batch = fresh(pairs)
        datums_of(batch)
        return surrogate(Dpo(beta=BETA), batch, outputs, references)

    def theirs() -> list[tinker.Datum]:
        data = datums_of(fresh(pairs))
        TrainingClient._get_custom_loss_forward_data(None, data, "cross_entropy")
        return TrainingClient._compute_custom_loss(data, loss, outputs).data

    both = zip(weights_of(ours().datums), weights_of(theirs()), strict=True)
    difference = max(float(np.abs(a - b).max()) for a, b in both)
    print(f"{options.pairs} pairs, up to {options.tokens} tokens a side")
    print(f"largest difference of a weight: {difference:.1e} of {BETA / len(pairs):.1e}")
    print(compare(ours, theirs, options.repeats, time.perf_counter))
    if options.engine:
        print("whole steps, CPU time of the client:")
        with connect() as engine:
            client = engine.service.create_lora_training_client("local/tiny", rank=8).result()

            def our_step() -> None:
                batch = fresh(pairs)
                result = client.forward(datums_of(batch), "cross_entropy").result()
                data = surrogate(Dpo(beta=BETA), batch, result, references).datums
                client.forward_backward(list(data), "cross_entropy").result()

            def their_step() -> None:
                client.forward_backward_custom(datums_of(fresh(pairs)), loss).result()

            our_step(), their_step()
            print(compare(our_step, their_step, options.repeats, time.process_time))


if __name__ == "__main__":
    main()
