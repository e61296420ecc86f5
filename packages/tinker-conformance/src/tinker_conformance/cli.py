"""The command line: `tinker-conformance run`, `list` and `parity`.

Exit status: 0 when every check passed or was refused, 1 when one failed, 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from tinker_conformance.check import Check
from tinker_conformance.engine import EngineMissingError, serving
from tinker_conformance.run.report import Report, print_result
from tinker_conformance.run.suite import TIMEOUT_S, run_checks
from tinker_conformance.target import TOLERANCES, Target

REACH_S = 20.0


class UsageError(Exception):
    """What the user asked for cannot be done."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinker-conformance",
        description="Check that a Tinker API server computes what the API promises.",
    )
    parser.add_argument("--version", action="version", version=version("tinker-conformance"))
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="check a server")
    _add_server(run)
    _add_selection(run)
    run.add_argument("--model", required=True, help="base model to check with, a small one")
    run.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds for each check")
    run.add_argument("--jobs", type=int, default=1, help="checks at once, each in a process")
    run.add_argument("--json", type=Path, default=None, metavar="FILE", help="write results there")
    run.add_argument(
        "--strict", action="store_true", help="exit with 1 also when something is not supported"
    )
    run.add_argument(
        "--precision",
        choices=list(TOLERANCES),
        default="float32",
        help="in which the server computes; decides the tolerances",
    )
    _add_selection(commands.add_parser("list", help="list the checks and what each claims"))
    return parser


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base-url",
        default=os.environ.get("TINKER_BASE_URL"),
        help="of the server; `local` starts the embedded engine (default: TINKER_BASE_URL)",
    )
    parser.add_argument(
        "--api-key",
        default=os.environ.get("TINKER_API_KEY", "tml-local"),
        help="default: TINKER_API_KEY",
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only checks like this, for example loss or 'draw/top_*'; repeatable",
    )


def select(patterns: Sequence[str]) -> list[Check]:
    """The checks that a pattern names, by group or by id; all without patterns."""
    from tinker_conformance.checks import all_checks

    checks = all_checks()
    for pattern in patterns:
        if not any(_names(pattern, check) for check in checks):
            groups = ", ".join(dict.fromkeys(check.group for check in checks))
            raise UsageError(f"--check {pattern}: no check is named so; groups are {groups}")
    return [c for c in checks if not patterns or any(_names(p, c) for p in patterns)]


def _names(pattern: str, check: Check) -> bool:
    return pattern == check.group or fnmatch(check.id, pattern)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    options = _parser().parse_args(arguments)
    commands = {"run": run, "list": list_checks}
    try:
        return commands[options.command](options)
    except (UsageError, EngineMissingError) as error:
        print(f"tinker-conformance: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tinker-conformance: interrupted", file=sys.stderr)
        return 130


def list_checks(options: argparse.Namespace) -> int:
    for check in select(options.check):
        print(f"{check.id:44} {check.claim}")
    return 0


def reach(base_url: str, api_key: str) -> None:
    """UsageError unless a server answers; the SDK alone would try for minutes."""
    address = f"{base_url.rstrip('/')}/api/v1/client/config"
    headers = {"Content-Type": "application/json", "X-API-Key": api_key}
    request = urllib.request.Request(address, b'{"sdk_version": "0.38.0"}', headers)
    try:
        with urllib.request.urlopen(request, timeout=REACH_S):
            pass
    except urllib.error.HTTPError as error:
        error.close()  # it answers; what is wrong with that, the checks will say
    except (OSError, ValueError) as error:
        raise UsageError(f"--base-url {base_url}: no server answers there: {error}") from error


def run(options: argparse.Namespace) -> int:
    """Check a server; 1 when a check failed."""
    if options.base_url is None:
        raise UsageError("--base-url or TINKER_BASE_URL is needed: which server?")
    if not options.timeout > 0 or options.jobs < 1:
        raise UsageError("--timeout must be above 0, and --jobs at least 1")
    checks = select(options.check)
    console = Console(highlight=False)
    with serving(options.base_url, options.api_key) as (base_url, api_key):
        reach(base_url, api_key)
        target = Target(
            base_url=base_url, api_key=api_key, model=options.model, precision=options.precision
        )
        results = run_checks(
            target,
            checks,
            timeout=options.timeout,
            jobs=options.jobs,
            on_result=lambda result: print_result(console, result),
        )
    report = Report(target, results)
    if options.json is not None:
        report.write(options.json)
    report.print(console)
    wrong = report.count("failed") + report.count("blocked")
    return 1 if wrong or (options.strict and report.count("not supported")) else 0
