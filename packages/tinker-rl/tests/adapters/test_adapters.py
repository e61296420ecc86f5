"""Adapters without their libraries; with them, see `integration/test_adapters.py`."""

from importlib.util import find_spec
from typing import Any

import pytest

from tinker_core import ConfigError
from tinker_rl.adapters.reasoning_gym import ReasoningGym
from tinker_rl.adapters.textarena import TextArena
from tinker_rl.adapters.verifiers import Verifiers

ADAPTERS = {
    "reasoning-gym": ReasoningGym(task="chain_sum"),
    "textarena": TextArena(game="TicTacToe-v0"),
    "verifiers": Verifiers(environment="gsm8k"),
}


@pytest.mark.parametrize("extra", ADAPTERS)
def test_a_missing_library_is_named_by_its_extra(extra: str, renderer: Any) -> None:
    if find_spec(extra.replace("-", "_")) is not None:
        pytest.skip(f"{extra} is there")
    with pytest.raises(ConfigError, match=rf"tinker-rl\[{extra}\]"):
        ADAPTERS[extra].build(renderer=renderer, seed=0)
