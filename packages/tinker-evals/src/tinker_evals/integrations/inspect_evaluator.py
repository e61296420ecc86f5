"""An Inspect task as an evaluator. Needs `pip install 'tinker-evals[inspect]'`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tinker_core import EngineError
from tinker_evals.model.model import Model, SamplingClient
from tinker_evals.optional_packages import import_extra
from tinker_render import Renderer
from tinker_train import Metrics


@frozen(kw_only=True)
class InspectEvaluator:
    """Runs an Inspect task on a snapshot, with a log for `inspect view`."""

    task: Any
    """A task as `inspect_ai.eval` takes it: a task, a file, or a registered name."""
    renderer: Renderer
    log_dir: Path
    limit: int | None = None
    generate: Mapping[str, Any] = field(factory=dict)
    """Fields of Inspect's GenerateConfig, such as `temperature` and `max_tokens`."""

    async def __call__(self, client: SamplingClient) -> Metrics:
        """Metrics of all scorers, under `scorer/metric`. Raises EngineError for a failed run."""
        inspect = import_extra("inspect_ai", "inspect", "an Inspect task")
        provider = import_module("tinker_evals.integrations.inspect_provider")
        model = Model(name="snapshot", client=client, renderer=self.renderer)
        api = provider.TinkerAPI("snapshot", model=model)
        (log,) = await inspect.eval_async(
            self.task,
            model=inspect.model.Model(api, inspect.model.GenerateConfig()),
            limit=self.limit,
            log_dir=str(self.log_dir),
            **self.generate,
        )
        if log.status != "success":
            raise EngineError(f"{log.eval.task}: {log.error.message if log.error else log.status}")
        return {
            f"{score.name}/{name}": float(metric.value)
            for score in log.results.scores
            for name, metric in score.metrics.items()
        }
