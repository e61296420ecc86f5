"""The `tinker-local` command: serve, pull, models, chat, doctor."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tinker_local import catalog
from tinker_local.cli import machine
from tinker_local.errors import RequestError
from tinker_local.home import home_folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinker-local",
        description="A Tinker API server with LoRA training and sampling, on this machine.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the server until it is told to end")
    serve.add_argument("--model", action="append", default=[], help="load at once; repeatable")
    serve.add_argument("--host", default="127.0.0.1", help="other than loopback needs --key")
    serve.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    serve.add_argument(
        "--key", default=os.environ.get("TINKER_LOCAL_KEY") or None, help="starts with tml-"
    )
    serve.add_argument("--home", type=Path, default=None, help="where checkpoints are kept")
    serve.add_argument(
        "--device", default=os.environ.get("TINKER_LOCAL_DEVICE") or "cpu", help="cpu or cuda"
    )
    serve.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default=os.environ.get("TINKER_LOCAL_DTYPE") or None,
        help="float32 on a CPU and bfloat16 on a GPU unless told otherwise",
    )
    serve.add_argument("--threads", type=int, default=None, help="as many as cores by default")
    serve.add_argument("--session-timeout", type=float, default=300.0, metavar="SECONDS")
    serve.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    pull = commands.add_parser("pull", help="fetch a model and say where it lies")
    pull.add_argument("model")
    commands.add_parser("models", help="list the models on this machine")
    chat = commands.add_parser("chat", help="talk to a base model or a checkpoint")
    chat.add_argument("model", help="a base model's name, or the tinker:// path of a checkpoint")
    chat.add_argument("--system", default=None, help="what the model is told first")
    chat.add_argument("--max-tokens", type=int, default=None, help="of one answer")
    chat.add_argument("--temperature", type=float, default=1.0, help="0 takes the likeliest tokens")
    chat.add_argument("--url", default=None, help="of a running engine; else one is started")
    chat.add_argument(
        "--key", default=os.environ.get("TINKER_LOCAL_KEY") or None, help="of that engine"
    )
    commands.add_parser("doctor", help="say what this machine can do")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    options = _parser().parse_args(arguments)
    commands = {"serve": serve, "pull": pull, "models": models, "chat": chat, "doctor": doctor}
    try:
        commands[options.command](options)
    except RequestError as error:
        print(f"tinker-local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def pull(options: argparse.Namespace) -> None:
    """Say on stderr what is fetched and from where, and on stdout the folder alone."""
    logging.basicConfig(level="INFO", format="%(message)s")
    logging.getLogger("httpx").setLevel("WARNING")
    print(catalog.resolve(options.model))


def models(options: argparse.Namespace) -> None:
    rows = [("MODEL", "PARAMETERS", "ON DISK", "LICENCE", "FROM")]
    for model in catalog.available():
        licence = model.licence or "not stated"
        size = f"{model.size / 1e6:,.1f} MB"
        rows.append((model.name, f"{model.parameters / 1e6:,.1f} M", size, licence, model.source))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, parameters, size, licence, source in rows:
        print(
            f"{name:{widths[0]}}  {parameters:>{widths[1]}}  {size:>{widths[2]}}  "
            f"{licence:{widths[3]}}  {source}"
        )


def chat(options: argparse.Namespace) -> None:
    """With an engine of its own, unless it is told of one."""
    from tinker_local.child_process import EngineStartError, start_engine
    from tinker_local.cli.chat import Conversation, talk
    from tinker_local.storage.checkpoint_path import SCHEME

    wishes = {"temperature": options.temperature, "max_tokens": options.max_tokens}
    with contextlib.ExitStack() as stack:
        url, key = options.url, options.key
        if url is None:
            logging.basicConfig(level="INFO", format="%(message)s")  # what is fetched
            if not options.model.startswith(SCHEME):
                catalog.resolve(options.model)
            print("starting an engine ...", file=sys.stderr)
            try:
                engine = stack.enter_context(start_engine())
            except EngineStartError as error:
                raise RequestError(str(error)) from error
            url, key = engine.base_url, engine.api_key
        conversation = Conversation(url, key, options.model, options.system, wishes)
        conversation.check()
        talk(conversation)


def doctor(options: argparse.Namespace) -> None:
    from tinker_local.cli.doctor import report

    for line in report():
        print(line)


def _check(options: argparse.Namespace) -> None:
    from tinker_local.server import LOOPBACK

    if options.key is not None and not options.key.startswith("tml-"):
        raise RequestError("--key must start with tml-: the SDK sends no other")
    if options.host not in LOOPBACK and options.key is None:
        raise RequestError(f"--host {options.host} lets other machines in; that needs --key")
    if options.threads is not None and options.threads < 1:
        raise RequestError(f"--threads {options.threads}: at least 1")
    if options.session_timeout < 30:
        raise RequestError("--session-timeout: at least 30; a client sends a sign every 10 s")
    if not 0 <= options.port < 1 << 16:
        raise RequestError(f"--port {options.port}: from 0 to 65535")


def serve(options: argparse.Namespace) -> None:
    """Serve until a signal, or with `--child` until the parent is gone."""
    for name, value in machine.THREADING.items():
        os.environ.setdefault(name, value)  # read by torch when it is imported
    for library in machine.NOT_NEEDED:  # None: it cannot be imported
        sys.modules.setdefault(library, None)  # type: ignore[arg-type]
    if options.home is not None:
        os.environ["TINKER_LOCAL_HOME"] = str(options.home)  # the catalogue reads it too
    _check(options)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel("WARNING")
    from tinker_local.server import Server, bind, end_with_parent
    from tinker_local.service.service import Settings, make_service
    from tinker_local.service.torch_backend import TorchCompute

    settings = Settings(
        home=home_folder(),
        key=options.key,
        session_timeout_s=options.session_timeout,
        preload=tuple(options.model),
    )
    compute = TorchCompute(
        dtype=options.dtype or ("float32" if options.device == "cpu" else "bfloat16"),
        device=options.device,
        threads=options.threads or machine.cores(),
    )
    compute.check_device()
    for name in settings.preload:
        catalog.resolve(name)  # a wrong name is an error before anything listens
    try:
        listener = bind(options.host, options.port)
    except OSError as error:
        reason = f"{options.host}:{options.port} cannot be used: {error.strerror or error}"
        raise RequestError(reason) from error
    address = f"http://{options.host}:{listener.getsockname()[1]}"
    server = Server(
        make_service(settings, compute),
        lambda: print(f"tinker-local serves {address}", flush=True),
    )
    if options.child:
        end_with_parent(server, sys.stdin.fileno())
    with listener:
        server.run(sockets=[listener])
    if not server.started:
        raise RequestError("the server could not start; the log says why")
    logging.shutdown()
    os._exit(0)  # all is closed; to unload torch, or to wait for its thread, would take seconds
