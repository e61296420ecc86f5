"""The errors of the engine. A `RequestError` is HTTP 400, unless its class says another status."""

from __future__ import annotations

from typing import Literal

Category = Literal["user", "server"]


class RequestError(Exception):
    """A request that cannot be served; `category` says whose fault it is, the text why."""

    def __init__(
        self, message: str, category: Category = "user", *, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.category: Category = category
        self.field = field
        """Of the request's body, where one is to blame."""


class NotFoundError(RequestError):
    """404: nothing has this name."""


class GoneError(RequestError):
    """410: it was here. A client stops its heartbeats, or sends its sample again."""


class UnauthorizedError(RequestError):
    """401: the key is missing or wrong."""


class ForbiddenError(RequestError):
    """403: not from there."""


class TooLargeError(RequestError):
    """413: more than a limit allows."""
