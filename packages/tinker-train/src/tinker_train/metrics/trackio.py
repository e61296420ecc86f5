"""The Trackio sink: Trackio has the interface of W&B."""

from __future__ import annotations

from tinker_train.metrics.external import ReportedRun, import_package
from tinker_train.metrics.wandb import WandbSink


def open_trackio(project: str, run: ReportedRun) -> WandbSink:
    """Continue the run after its last step."""
    client = import_package("trackio").init(
        project=project,
        name=f"{run.name}-{run.run_id[:8]}",  # runs of one name are one run to Trackio
        resume="allow",
        config=run.config,
    )
    return WandbSink(client, client._next_step)  # there is no public attribute for it
