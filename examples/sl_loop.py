"""Supervised fine-tuning by hand: the whole loop on the SDK, without tinker-sl.

Renderer, data and the shared verbs are ours; the loop is yours to change. It submits each step
before it awaits the one before, saves now and then, and resumes when it is run again.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import tinker
import tyro
from attrs import asdict, frozen
from sums import write_sums

import tinker_train as tt
from tinker_data import Batching, ConversationFile, Position, normalise_weights
from tinker_render import renderer_for

MODEL, STEPS, SAVE_EVERY, SEED = "local/tiny", 40, 10, 0
ADAM, SCHEDULE = tt.Adam(learning_rate=4e-3), tt.Linear()


@frozen
class InFlight:
    """A submitted step, and the save after it, if there is one."""

    number: int
    datums: list[tinker.Datum]
    step: tt.SubmittedStep
    save: tt.SubmittedCheckpoint | None


async def finish(step: InFlight, run: tt.RunDirectory) -> None:
    """Wait for a step, write its row, and only then record the checkpoint that contains it."""
    result = await tt.finish_step(step.step, number=step.number)
    nll = tt.weighted_nll(step.datums, result.outputs).per_token
    tt.JsonlSink(run.metrics_file).log_metrics({"train/nll": nll}, step.number)
    if step.save is not None:
        await tt.finish_checkpoint(step.save, run.checkpoints_file)
    print(f"step {step.number}  NLL per token {nll:.3f}")


async def train(engine: tt.Engine, folder: Path, stop_after: int) -> None:
    """Train up to step STEPS, or `stop_after`."""
    builder = ConversationFile(path=write_sums(folder)[0], batching=Batching(batch_size=16))
    data = builder.build(renderer=renderer_for(MODEL), seed=SEED).train

    run = tt.RunDirectory(folder)
    last = tt.rewind(run)  # to the last checkpoint, if there is one
    if last is None or last.state_path is None:
        client = await tt.create_training_client(engine.service, MODEL, tt.Lora(rank=16), seed=SEED)
        number, position = 0, Position()
    else:
        client = await tt.load_training_client(engine.service, last.state_path, optimizer=True)
        number, position = last.step, Position(**last.position)

    in_flight: list[InFlight] = []
    for batch in data.batches(position):
        if number >= min(STEPS, stop_after):
            break
        datums = normalise_weights(batch.datums, "token")
        adam = tt.adam_params(ADAM, tt.lr_multiplier(SCHEDULE, number, STEPS))
        step = tt.submit_step(client, datums, adam)
        number, save = number + 1, None
        if number % SAVE_EVERY == 0:  # calls run in order: the state has exactly these steps
            record = tt.CheckpointRecord(
                name=f"{number:06d}",
                progress=tt.Progress(step=number),
                position=asdict(batch.after),
                final=number == STEPS,
            )
            save = tt.submit_checkpoint(client, record, sampler=record.final)
        in_flight.append(InFlight(number, datums, step, save))
        if len(in_flight) > 1:
            await finish(in_flight.pop(0), run)
    for each in in_flight:
        await finish(each, run)


def main(folder: Path = Path("runs/sl-loop"), stop_after: int = STEPS) -> None:
    """Find an engine and train."""
    with tt.connect() as engine:
        print(engine.description)
        asyncio.run(train(engine, folder, stop_after))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
