"""Values of a trajectory."""

import json
from pathlib import Path

import numpy as np
import pytest

from tinker_core import DataError
from tinker_rl import Action


def test_an_action_knows_a_logprob_of_each_token() -> None:
    with pytest.raises(DataError, match="2 sampled tokens, but 1 logprobs"):
        Action(tokens=[1, 2], logprobs=[-1.0])


def test_actions_keep_numbers_that_json_knows(tmp_path: Path) -> None:
    action = Action(tokens=np.array([1, 2]), logprobs=np.array([-1.0, -2.0], dtype=np.float32))
    assert json.dumps([action.tokens, action.logprobs]) == "[[1, 2], [-1.0, -2.0]]"
