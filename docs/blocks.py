"""A pytest plugin that runs every Python block of the documents it is given.

pytest -p blocks docs README.md packages/*/README.md    (with docs/ on PYTHONPATH)

The blocks of one page share their names, in an empty folder of their own.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser


def enter_empty_folder(namespace: dict[str, Any]) -> None:
    """Run a page where it can write what it likes."""
    namespace["_home"] = os.getcwd()
    namespace["_folder"] = tempfile.TemporaryDirectory()
    os.chdir(namespace["_folder"].name)


def leave_folder(namespace: dict[str, Any]) -> None:
    """Go back, and delete what the page wrote."""
    os.chdir(namespace["_home"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    path=str(Path(__file__).parent.parent),
    parsers=[PythonCodeBlockParser()],
    patterns=["*.md"],
    setup=enter_empty_folder,
    teardown=leave_folder,
).pytest()
