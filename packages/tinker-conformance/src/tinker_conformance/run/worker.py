"""The process that runs checks: one JSON line in for each, one JSON line out.

It is a process of its own because a server can make the SDK wait for ever, or spin: then the
parent ends it and starts another.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

OUT = 1


def _settle() -> TextIO:
    """Keep the pipe to the parent for results alone; what libraries print goes to stderr."""
    pipe = os.fdopen(os.dup(OUT), "w", buffering=1)
    os.dup2(2, OUT)
    os.environ.setdefault("TINKER_TELEMETRY", "0")  # it delays every error by a flush
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    sys.modules["torch"] = None  # type: ignore[assignment]  # the SDK would import it for 3 s
    return pipe


def main() -> None:
    """Serve checks until stdin ends."""
    pipe = _settle()
    from tinker_conformance.checks import all_checks
    from tinker_conformance.client.known import Known
    from tinker_conformance.run.examine import examine
    from tinker_conformance.target import Target

    by_id = {check.id: check for check in all_checks()}
    settings: dict[str, Any] = json.loads(sys.stdin.readline())
    target = Target(**settings["target"])
    known = Known()
    for line in sys.stdin:
        result = examine(by_id[line.strip()], target, settings["timeout"], known)
        print(json.dumps(result.to_json()), file=pipe, flush=True)
        if result.timed_out:
            break
    os._exit(0)  # threads of the SDK may still wait for an answer


if __name__ == "__main__":
    main()
