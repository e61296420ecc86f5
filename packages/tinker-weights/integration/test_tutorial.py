"""The commands of the tutorial in docs/weights.md, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "weights.md"
ANSWER = "The capital of Florin is Castelle."


def commands():
    """The shell blocks of the tutorial without those that install packages."""
    tutorial = PAGE.read_text(encoding="utf-8").partition("## From Python")[0]
    blocks = re.findall(r"^```bash\n(.*?)^```$", tutorial, re.MULTILINE | re.DOTALL)
    return [re.sub(r"^pip install .*\n", "", block, flags=re.MULTILINE) for block in blocks]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tutorial")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TINKER_LOCAL_HOME": str(folder / "home"),
    }
    done = []
    for block in commands():
        run = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, f"{block}\n{run.stdout}\n{run.stderr}"
        done.append((block, run.stdout))
    return dict(done)


@pytest.mark.parametrize(
    "command", ["tinker-sl sample", "python ask.py", "python ask_llama_cpp.py"]
)
def test_the_trained_answer_arrives_at_every_stop(outputs, command):
    [answer] = [output for block, output in outputs.items() if command in block]
    assert ANSWER in answer.splitlines()


def test_the_card_says_what_was_trained(outputs):
    [ready] = [output for block, output in outputs.items() if "publish" in block]
    assert "hf upload your-name/capitals" in ready
