"""Futures with the interface of the SDK's, which are done when they are made."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import tinker
from tinker import types

T = TypeVar("T")


class ReadyFuture(tinker.APIFuture[T], Generic[T]):
    """A future whose call runs on construction; it holds the value or the error."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        try:
            self._future.set_result(call())
        except tinker.TinkerError as error:
            self._future.set_exception(error)

    def result(self, timeout: float | None = None) -> T:
        """Return the value or raise the error."""
        return self._future.result(timeout)

    async def result_async(self, timeout: float | None = None) -> T:
        """Return the value or raise the error."""
        return self._future.result(timeout)

    def future(self) -> Future[T]:
        """The `concurrent.futures.Future` inside."""
        return self._future

    async def coroutine(self) -> T:
        """Return the value or raise the error."""
        return self._future.result()

    def __await__(self) -> Generator[Any, None, T]:
        """Await `result_async`."""
        return self.result_async().__await__()


def refused(message: str) -> tinker.RequestFailedError:
    """The error that the SDK raises for a request that an engine refuses."""
    return tinker.RequestFailedError(
        message, request_id="bigram", category=types.RequestErrorCategory.User
    )
