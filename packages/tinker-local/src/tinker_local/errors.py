"""The errors of the engine.

RequestError            a request that cannot be served: HTTP 400
  CatalogError          no such model, or it cannot be had
  NotFoundError         404
  GoneError             410
  UnauthorizedError     401
  ForbiddenError        403
  TooLargeError         413
"""

from __future__ import annotations

from typing import Literal

Category = Literal["user", "server"]


class RequestError(Exception):
    """A request that cannot be served. The message says why, `category` whose fault it is."""

    def __init__(
        self, message: str, category: Category = "user", *, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.category: Category = category
        self.field = field
        """The path of the field that is wrong, such as `messages[0].role`."""


class CatalogError(RequestError):
    """A model that cannot be had. The message says its name, what was tried and what is here."""


class NotFoundError(RequestError):
    """404: nothing has this name."""


class GoneError(RequestError):
    """410: it existed. A client then stops its heartbeats, or submits its sample again."""


class UnauthorizedError(RequestError):
    """401: the key is missing or wrong."""


class ForbiddenError(RequestError):
    """403: the key is not needed, but the origin of the request is not allowed."""


class TooLargeError(RequestError):
    """413: the body exceeds the limit."""
