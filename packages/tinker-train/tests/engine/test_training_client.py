"""Training clients."""

import pytest

from tinker_core import ConfigError
from tinker_train import Lora


def test_a_lora_that_trains_no_layer_is_refused():
    with pytest.raises(ConfigError, match="train_mlp, train_attn and train_unembed"):
        Lora(train_mlp=False, train_attn=False, train_unembed=False)
