"""Routes: the configuration of the SDK."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from tinker_local.api.http import Call, route

CONFIG = {
    "pjwt_auth_enabled": True,  # `tinker auth whoami` needs it
    "parallel_fwdbwd_chunks": False,  # parallel chunks gain nothing without a network
    "fwdbwd_max_chunk_len": 1 << 20,  # one request for each call
    "fwdbwd_max_chunk_bytes_count": 256 << 20,
    "fwdbwd_dispatch_bytes_semaphore_size": 512 << 20,
    "sample_dispatch_bytes_semaphore_size": 256 << 20,
    "inflight_response_bytes_semaphore_size": 512 << 20,
    "sample_use_retrieve_futures": True,  # one poller for each sampler, not for each request
    "sample_join_sampling_session": True,
    "use_pyqwest_transport": True,
    "custom_loss_server_side": False,
}
DYNAMIC_CONFIG = {"refresh_interval_sec": 3600, "sample_cancel_enabled": True}


async def client_config(call: Call) -> dict[str, Any]:
    """The configuration for the life of a client."""
    return CONFIG


async def dynamic_config(call: Call) -> dict[str, Any]:
    """The configuration that a client refreshes."""
    return DYNAMIC_CONFIG


ROUTES: list[Route] = [
    route("/client/config", client_config, "POST"),
    route("/client/dynamic_config", dynamic_config, "POST"),
]
