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

from tinker_conformance.check import Check
from tinker_conformance.engine import LOCAL, EngineMissingError, serving
from tinker_conformance.parity.plan import LOSS_NAMES, Plan
from tinker_conformance.parser import CommandParser
from tinker_conformance.run.report import Report, print_result, wide_console
from tinker_conformance.run.suite import TIMEOUT_S, run_checks
from tinker_conformance.target import TOLERANCES, Target

REACH_S = 20.0
DEFAULT_KEY = os.environ.get("TINKER_API_KEY", "tml-local")


class UsageError(Exception):
    """The command cannot be run as it was called."""


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="tinker-conformance",
        description="Check that a Tinker API server computes what the API promises.",
    )
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
    two = commands.add_parser("parity", help="train the same steps on two servers and compare")
    _add_plan(two)
    return parser


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base-url",
        default=os.environ.get("TINKER_BASE_URL"),
        help="of the server; `local` starts the embedded engine (default: TINKER_BASE_URL)",
    )
    parser.add_argument(
        "--api-key",
        default=DEFAULT_KEY,
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


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--a", required=True, help="base URL of server A; `local` starts an engine")
    parser.add_argument("--b", required=True, help="base URL of server B")
    parser.add_argument("--key-a", default=DEFAULT_KEY, help="default: TINKER_API_KEY")
    parser.add_argument("--key-b", default=DEFAULT_KEY, help="default: TINKER_API_KEY")
    parser.add_argument("--model", required=True, help="base model on A, and on B unless --model-b")
    parser.add_argument("--model-b", default=None, help="what B calls the same base model")
    defaults = Plan()
    for name in ("steps", "batch", "length", "rank", "seed"):
        value = getattr(defaults, name)
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--loss", choices=LOSS_NAMES, default=defaults.loss)
    parser.add_argument("--text", type=Path, default=None, help="train on this file's text")
    parser.add_argument("--precision", choices=list(TOLERANCES), default="float32")
    for name in ("logprob", "loss", "gradient-norm"):
        parser.add_argument(f"--{name}-tolerance", type=float, default=None)
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")


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
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]  # the SDK would load it for 3 s
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--version" in given:
        print(f"tinker-conformance {version('tinker-conformance')}")
        return 0
    options = _parser().parse_args(given)
    commands = {"run": run, "list": list_checks, "parity": compare}
    try:
        return commands[options.command](options)
    except (UsageError, EngineMissingError) as error:
        print(f"tinker-conformance: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        print(f"tinker-conformance: {place}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tinker-conformance: interrupted", file=sys.stderr)
        return 130


def compare(options: argparse.Namespace) -> int:
    """Compare two servers; 1 when they differ by more than the tolerance."""
    for base_url, key in ((options.a, options.key_a), (options.b, options.key_b)):
        if base_url != LOCAL:
            reach(base_url, key)
    from tinker_conformance.parity.command import parity

    try:
        return parity(options)
    except ValueError as error:  # a validator of the plan, or a text that is too short
        raise UsageError(str(error.args[0] if error.args else error)) from error


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
    console = wide_console()
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
