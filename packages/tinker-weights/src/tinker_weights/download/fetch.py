"""One file over HTTP: resumed where it broke off, and checked by its length and digests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import http.client
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

from attrs import frozen

from tinker_core import EngineError

logger = logging.getLogger(__name__)

_CHUNK = 2**20
_TIMEOUT_S = 60.0
_ATTEMPTS = 6
Sleep = Callable[[float], None]
Progress = Callable[[str, int, int], None]
"""Called with the file's name, the bytes that are here, and those there are."""

_ALGORITHMS = {
    "sha-256": "sha256", "sha256": "sha256", "sha-512": "sha512", "sha512": "sha512", "md5": "md5",
}  # fmt: skip
_WHOLE_FILE = {
    "x-amz-checksum-sha256": "sha256", "x-ms-blob-content-md5": "md5",
}  # fmt: skip
"""Headers whose value is the base64 of one digest."""
_LISTS = ("repr-digest", "digest", "x-goog-hash")
"""Headers that list digests of the whole file: RFC 9530, RFC 3230, Google Cloud Storage."""


@frozen(kw_only=True)
class Response:
    """The answer of a server to a request for the bytes from `start` on."""

    start: int
    total: int | None
    etag: str | None
    digests: tuple[tuple[str, bytes], ...]
    """Algorithm and digest of the whole file."""
    chunks: Iterator[bytes]


def fetch(
    url: Callable[[], str],
    target: Path,
    *,
    progress: Progress | None = None,
    sleep: Sleep = time.sleep,
) -> None:
    """Download into `target`, by way of `target`.part, which a later call goes on with.

    `url` gives a valid address each time that it is called. Raises EngineError after several
    attempts without success, and when the file differs from what the server says of it.
    """
    part, tag = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.etag")
    reason: Exception | None = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            logger.warning("%s broke off (%s): trying again", target.name, reason)
            sleep(min(2.0 ** (attempt - 1), 30.0))
        try:
            _receive(url(), target, part, tag, progress)
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
                if not _is_worth_repeating(error.code):
                    raise EngineError(f"download of {target.name}: {error}") from error
            reason = error
            continue
        tag.unlink(missing_ok=True)
        part.replace(target)
        return
    raise EngineError(f"download of {target.name} failed {_ATTEMPTS} times: {reason}") from reason


def _is_worth_repeating(status: int) -> bool:
    # 400, 401 and 403 are what storage services answer to an address that has expired.
    return status in (400, 401, 403, 408, 416, 429) or status >= 500


def _receive(url: str, target: Path, part: Path, tag: Path, progress: Progress | None) -> None:
    """One attempt. Raises OSError when it broke off."""
    have = part.stat().st_size if part.is_file() and tag.is_file() else 0
    etag = tag.read_text(encoding="utf-8") if have else None
    try:
        response = _request(url, have, etag)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is not shorter than the file: it is another's
            part.unlink(missing_ok=True)
        raise
    if response.etag:
        tag.write_text(response.etag, encoding="utf-8")
    have = response.start
    with part.open("r+b" if have else "wb") as file:
        file.seek(have)
        file.truncate()
        for chunk in response.chunks:
            file.write(chunk)
            have += len(chunk)
            if progress is not None:
                progress(target.name, have, response.total or have)
    if response.total is not None and have != response.total:
        raise ConnectionError(f"{have} of {response.total} bytes came")
    _check(part, response.digests)


def _check(part: Path, digests: tuple[tuple[str, bytes], ...]) -> None:
    """Remove a file that differs from its digests, and raise ConnectionError: it is repeated."""
    for algorithm, expected in digests:
        with part.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).digest()
        if found != expected:
            part.unlink()
            raise ConnectionError(
                f"{algorithm} is {found.hex()}, and the server says {expected.hex()}"
            )


def _request(url: str, have: int, etag: str | None) -> Response:
    if not url.lower().startswith(("http://", "https://")):
        raise EngineError(f"the engine offers a file at {url:.60}, which is no http address")
    request = urllib.request.Request(url)
    if have and etag:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", etag)
    opened = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    headers: Message = opened.headers
    start, total = 0, _number(headers.get("Content-Length"))
    if opened.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            raise ConnectionError(f"the server sent another range: {headers.get('Content-Range')}")
        start, total = have, int(found[2])

    def chunks() -> Iterator[bytes]:
        with opened:
            while chunk := opened.read(_CHUNK):
                yield chunk

    return Response(
        start=start,
        total=total,
        etag=headers.get("ETag"),
        digests=tuple(_digests(headers, whole=start == 0)),
        chunks=chunks(),
    )


def _digests(headers: Message, *, whole: bool) -> Iterator[tuple[str, bytes]]:
    for name in _LISTS:
        for value in headers.get_all(name) or ():
            for entry in value.split(","):
                algorithm, _, encoded = entry.strip().partition("=")
                yield from _digest(_ALGORITHMS.get(algorithm.lower()), encoded.strip(":"))
    for name, known in _WHOLE_FILE.items():
        yield from _digest(known, headers.get(name, ""))
    if whole:  # this header is about the bytes that were sent
        yield from _digest("md5", headers.get("Content-MD5", ""))


def _digest(algorithm: str | None, encoded: str) -> Iterator[tuple[str, bytes]]:
    """Nothing for an algorithm that is not known, and for what is not a digest."""
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return
    if algorithm and len(digest) == hashlib.new(algorithm).digest_size:
        yield algorithm, digest


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
