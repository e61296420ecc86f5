"""`tinker-local serve`."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys

from tinker_local import catalog
from tinker_local.cli import machine
from tinker_local.errors import RequestError
from tinker_local.home import home_folder
from tinker_local.loopback import LOOPBACK
from tinker_local.server import Server, bind, stop_with_parent
from tinker_local.service.service import Settings, make_service
from tinker_local.service.torch_backend import TorchBackend


def run(options: argparse.Namespace) -> None:
    """Check the options, then serve. The process ends with it."""
    if options.home is not None:
        os.environ["TINKER_LOCAL_HOME"] = str(options.home)  # the catalog reads it, too
    _check(options)
    settings = Settings(
        home=home_folder(),
        key=options.key,
        allowed_hosts=tuple(name.lower() for name in options.allowed_host),
        session_timeout_s=options.session_timeout,
        preload=tuple(options.model),
    )
    backend = TorchBackend(
        dtype=options.dtype or ("float32" if options.device == "cpu" else "bfloat16"),
        device=options.device,
        threads=options.threads or machine.cores(),
        losses=tuple(options.loss),
    )
    backend.check()
    for name in settings.preload:
        catalog.resolve(name)  # an unknown name is an error before the server listens
    listener = _listen(options.host, options.port)
    address = f"http://{options.host}:{listener.getsockname()[1]}"
    server = Server(
        make_service(settings, backend),
        lambda: print(f"tinker-local serves {address}", flush=True),
    )
    if options.child:
        stop_with_parent(server, sys.stdin.fileno())
    with listener:
        server.run(sockets=[listener])
    if not server.started:
        raise RequestError("the server could not start; the log says why")
    logging.shutdown()
    os._exit(0)  # all is closed; unloading torch, or waiting for its threads, would take seconds


def _check(options: argparse.Namespace) -> None:
    if options.key is not None and not options.key.startswith("tml-"):
        raise RequestError("--key must start with tml-: the SDK sends no other")
    if options.host not in LOOPBACK and options.key is None:
        raise RequestError(f"--host {options.host} admits other machines: it needs --key")
    if options.threads is not None and options.threads < 1:
        raise RequestError(f"--threads {options.threads}: expected at least 1")
    if options.session_timeout < 30:
        raise RequestError(
            f"--session-timeout {options.session_timeout:g}: expected at least 30, because clients "
            "send a heartbeat every 10 s"
        )
    if not 0 <= options.port < 1 << 16:
        raise RequestError(f"--port {options.port}: expected 0 to 65535")


def _listen(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OSError as error:
        reason = f"{host}:{port} cannot be used: {error.strerror or error}"
        raise RequestError(reason) from error
