"""A sweep over learning rates: one run per rate, several at once, and a plot of the results.

    python sweep.py --rates 1e-4 1e-3 1e-2 --at-once 2

Each run is a process with its own run directory and, if no engine is configured, its own local
engine. A complete run is not repeated, so an interrupted sweep is continued. `sweep.svg` plots the
held-out loss against the rate; `report.html` overlays the curves.
"""

from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tyro

from tinker_core import RunDirectoryError
from tinker_train import RunDirectory, last_values, read_metrics, write_report

sys.path.insert(0, str(Path(__file__).parent.parent))
from sums import write_sums  # beside this folder


def run_one(rate: float, folder: Path, model: str, steps: int) -> Path:
    """Train with one learning rate in a child process; returns the run directory."""
    run = folder / f"lr-{rate:g}"
    command = [
        *(sys.executable, "-m", "tinker_sl.cli", "train"),
        *("--model", model, "--run-dir", str(run), "--existing", "resume"),
        *("--data.path", str(folder / "data" / "train.jsonl")),
        *("--data.test-path", str(folder / "data" / "test.jsonl")),
        *("--data.batching.batch-size", "16", "--num-epochs", "1000", "--max-steps", str(steps)),
        *("--lora.rank", "16", "--adam.learning-rate", str(rate)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{run.name}.log").open("w") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RunDirectoryError(f"{run} failed: see {log.name}")
    return run


def draw(losses: dict[float, float], to: Path) -> None:
    """Plot the held-out loss against the logarithm of the learning rate."""
    rates = sorted(losses)
    low, high = math.log10(rates[0]), math.log10(rates[-1])
    least, most = min(losses.values()), max(losses.values())

    def place(rate: float) -> tuple[float, float]:
        x = 60 + 480 * (math.log10(rate) - low) / ((high - low) or 1)
        y = 260 - 220 * (losses[rate] - least) / ((most - least) or 1)
        return x, y

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, rates))
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{losses[rate]:.3f}</text>'
        f'<text x="{x:.1f}" y="290" text-anchor="middle">{rate:g}</text>'
        for rate in rates
        for x, y in [place(rate)]
    )
    to.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 310" font-family="sans-serif" '
        'font-size="12"><rect width="600" height="310" fill="white"/>'
        '<text x="300" y="16" text-anchor="middle">held-out NLL by learning rate</text>'
        f'<polyline points="{line}" fill="none" stroke="#3b7dd8" stroke-width="2"/>{dots}</svg>\n'
    )


def main(
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    model: str = "local/tiny",
    steps: int = 30,
    at_once: int = 1,
    folder: Path = Path("runs/sweep"),
) -> dict[float, float]:
    """Make the missing runs; returns the held-out NLL of each rate."""
    write_sums(folder / "data")
    with ThreadPoolExecutor(at_once) as pool:
        runs = list(pool.map(lambda rate: run_one(rate, folder, model, steps), rates))
    rows = [last_values(read_metrics(RunDirectory(run).metrics_file)) for run in runs]
    losses = {rate: float(row["test/nll"]) for rate, row in zip(rates, rows, strict=True)}
    draw(losses, folder / "sweep.svg")
    write_report(runs, folder / "report.html")
    for rate, loss in losses.items():
        print(f"{rate:10g}  {loss:.4f}{'  <- best' if loss == min(losses.values()) else ''}")
    print(f"look at {folder}/sweep.svg and {folder}/report.html")
    return losses


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
