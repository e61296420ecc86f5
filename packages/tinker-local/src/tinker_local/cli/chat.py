"""A conversation in the terminal, over the engine's own OpenAI-compatible route.

Ctrl-C ends an answer, or clears the line; Ctrl-D ends the conversation.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

from attrs import define, field

from tinker_local.errors import RequestError

HELP = "/clear forgets the conversation, /exit or Ctrl-D ends it, Ctrl-C ends an answer"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@define(eq=False)
class Conversation:
    """One model, and what has been said so far."""

    url: str
    """Of the engine."""
    key: str | None
    model: str
    system: str | None = None
    options: dict[str, Any] = field(factory=dict)
    """Further fields of every request, such as temperature."""
    messages: list[dict[str, str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.messages = [{"role": "system", "content": self.system}] if self.system else []

    def check(self) -> None:
        """Raise unless the engine answers and has the model."""
        with self._open(f"/models/{urllib.parse.quote(self.model, safe='')}", None):
            pass

    def ask(self, text: str) -> Generator[str, None, None]:
        """The answer in pieces; an answer that is interrupted stays as far as it came."""
        self.messages.append({"role": "user", "content": text})
        pieces: list[str] = []
        try:
            for piece in self._stream():
                pieces.append(piece)
                yield piece
        except RequestError:
            self.messages.pop()  # it was not answered
            raise
        except (KeyboardInterrupt, GeneratorExit):
            self._keep(pieces)
            raise
        self._keep(pieces)

    def _keep(self, pieces: list[str]) -> None:
        self.messages.append({"role": "assistant", "content": "".join(pieces)})

    def _stream(self) -> Iterator[str]:
        body = {"model": self.model, "messages": self.messages, "stream": True, **self.options}
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
        """The engine's response; leaving it hangs up."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url.rstrip('/')}/v1{path}", data, headers)
        local = urllib.parse.urlsplit(self.url).hostname in LOOPBACK
        proxies = [urllib.request.ProxyHandler({})] if local else []
        try:
            return urllib.request.build_opener(*proxies).open(request)
        except urllib.error.HTTPError as error:
            raise RequestError(_reason(error)) from error
        except (OSError, ValueError) as error:
            raise RequestError(f"no engine answers at {self.url}: {error}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    """What the engine says is wrong."""
    try:
        reason: str = json.loads(error.read())["error"]["message"]
    except (ValueError, LookupError, TypeError):
        reason = f"the server at {error.url} answers {error.code} {error.reason}"
    return reason


def talk(conversation: Conversation) -> None:
    """Read lines and print answers until the input ends; what goes wrong is said and forgotten."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401  (input() then edits lines)
        print(f"{conversation.model}: {HELP}", file=sys.stderr)
    for line in _lines():
        if line == "/exit":
            return
        if line == "/clear":
            conversation.clear()
        elif line.startswith("/"):
            print(f"there is no {line.split()[0]}; {HELP}", file=sys.stderr)
        elif line:
            _answer(conversation, line)


def _lines() -> Iterator[str]:
    """What is typed, until the end of the input; Ctrl-C clears a line."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            yield input(prompt).strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            print(file=sys.stderr)


def _answer(conversation: Conversation, line: str) -> None:
    answer = conversation.ask(line)
    try:
        for piece in answer:
            print(piece, end="", flush=True)
        print()
    except KeyboardInterrupt:
        answer.close()  # hangs up
        print(" [cut off]", file=sys.stderr)
    except RequestError as error:
        print(f"tinker-local: {error}", file=sys.stderr)
