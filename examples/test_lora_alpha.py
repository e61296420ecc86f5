"""The scale of adapters: packages that cannot import each other state the same number."""

import inspect

from tinker_local.request_types import LORA_ALPHA
from tinker_train import Lora


def test_the_engine_scales_adapters_as_the_documentation_of_lora_says() -> None:
    assert f"scale is {LORA_ALPHA} / rank" in inspect.getsource(Lora)
