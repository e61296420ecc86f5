"""The routes of the Tinker API, one module for each resource."""

from starlette.routing import Route

from tinker_local.api.routes import (
    checkpoints,
    client_config,
    credentials,
    downloads,
    futures,
    samplers,
    server_status,
    sessions,
    training,
    training_runs,
    usage,
    weights,
)

ROUTES: list[Route] = [
    *client_config.ROUTES,
    *credentials.ROUTES,
    *server_status.ROUTES,
    *sessions.ROUTES,
    *training.ROUTES,
    *weights.ROUTES,
    *samplers.ROUTES,
    *futures.ROUTES,
    *training_runs.ROUTES,
    *checkpoints.ROUTES,
    *downloads.ROUTES,
    *usage.ROUTES,
]
