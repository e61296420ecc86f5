"""`tinker-local chat`: a conversation in the terminal, over the engine's OpenAI-compatible route.

Ctrl-C cuts off a reply, or clears the line; Ctrl-D ends the conversation.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

from attrs import define, field

from tinker_local import catalog
from tinker_local.child_process import EngineStartError, start_engine
from tinker_local.cli.terminal import log_to_stderr, printable, write_line
from tinker_local.errors import RequestError
from tinker_local.loopback import url_opener
from tinker_local.storage.checkpoint_path import SCHEME

HELP = "/clear forgets the conversation, /exit or Ctrl-D ends it, Ctrl-C cuts off a reply"


def run(options: argparse.Namespace) -> None:
    """Chat, with a running engine or one that is started for it."""
    fields = {"temperature": options.temperature, "max_tokens": options.max_tokens}
    with contextlib.ExitStack() as stack:
        url, key = options.url, options.key
        if url is None:
            log_to_stderr("%(message)s")  # shows downloads
            if not options.model.startswith(SCHEME):
                catalog.resolve(options.model)
            print("starting an engine ...", file=sys.stderr)
            try:
                engine = stack.enter_context(start_engine())
            except EngineStartError as error:
                raise RequestError(str(error)) from error
            url, key = engine.base_url, engine.api_key
        conversation = Conversation(url, key, options.model, options.system, fields)
        conversation.check()
        talk(conversation)


@define(eq=False)
class Conversation:
    """A model, and the messages so far."""

    url: str
    """Of the engine."""
    key: str | None
    model: str
    system: str | None = None
    fields: dict[str, Any] = field(factory=dict)
    """Further fields of every request, such as temperature."""
    messages: list[dict[str, str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again with the system message."""
        self.messages = [{"role": "system", "content": self.system}] if self.system else []

    def check(self) -> None:
        """Raise unless the engine answers and has the model."""
        with self._open(f"/models/{urllib.parse.quote(self.model, safe='')}", None):
            pass

    def ask(self, text: str) -> Generator[str, None, None]:
        """The parts of the reply. What was read of an interrupted reply stays in the messages."""
        self.messages.append({"role": "user", "content": text})
        parts: list[str] = []
        try:
            for part in self._stream():
                parts.append(part)
                yield part
        except RequestError:
            self.messages.pop()  # there is no reply to it
            raise
        except (KeyboardInterrupt, GeneratorExit):
            self._add_reply(parts)
            raise
        self._add_reply(parts)

    def _add_reply(self, parts: list[str]) -> None:
        self.messages.append({"role": "assistant", "content": "".join(parts)})

    def _stream(self) -> Iterator[str]:
        body = {"model": self.model, "messages": self.messages, "stream": True, **self.fields}
        with self._open("/chat/completions", body) as response:
            for line in response:
                _, found, data = line.decode().strip().partition("data: ")
                if not found or data == "[DONE]":
                    continue
                event = json.loads(data)
                if "error" in event:
                    raise RequestError(event["error"]["message"])
                for choice in event["choices"]:
                    yield choice["delta"].get("content") or ""

    def _open(self, path: str, body: dict[str, Any] | None) -> Any:
        """The engine's response. Closing it cancels the reply."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url.rstrip('/')}/v1{path}", data, headers)
        try:
            return url_opener(self.url).open(request)
        except urllib.error.HTTPError as error:
            raise RequestError(_reason(error)) from error
        except (OSError, ValueError) as error:
            raise RequestError(f"no engine answers at {self.url}: {error}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    """The engine's message."""
    try:
        reason: str = json.loads(error.read())["error"]["message"]
    except (ValueError, LookupError, TypeError):
        reason = f"the server at {error.url} replies {error.code} {error.reason}"
    return reason


def talk(conversation: Conversation) -> None:
    """Read lines and print replies until the input ends. Errors are printed, too."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401  (input() then edits lines)
        write_line(f"{conversation.model}: {HELP}", sys.stderr)
    for line in _lines():
        if line == "/exit":
            return
        if line == "/clear":
            conversation.clear()
        elif line.startswith("/"):
            write_line(f"unknown command {line.split()[0]}: {HELP}", sys.stderr)
        elif line:
            _print_reply(conversation, line)


def _lines() -> Iterator[str]:
    """The lines of the input. Ctrl-C clears one."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            yield input(prompt).strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            print(file=sys.stderr)


def _print_reply(conversation: Conversation, line: str) -> None:
    reply = conversation.ask(line)
    try:
        for part in reply:
            print(printable(part), end="", flush=True)
        print()
    except KeyboardInterrupt:
        reply.close()  # cancels it
        print(" [cut off]", file=sys.stderr)
    except RequestError as error:
        write_line(f"tinker-local: {error}", sys.stderr)
