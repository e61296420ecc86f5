"""Refusals that have an HTTP status of their own; every other `RequestError` is a 400."""

from __future__ import annotations

from tinker_local.values import RequestError


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
