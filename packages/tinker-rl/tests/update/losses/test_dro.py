"""DRO: beta is normalised with the advantages."""

import numpy as np
import pytest

from tinker_core import ConfigError
from tinker_rl import Dro


def test_dro_without_normalisation_keeps_its_beta() -> None:
    assert Dro(beta=0.8, normalise="none").settings(np.ones(3)) == {"beta": 0.8}


def test_dro_cannot_be_normalised_by_sequence() -> None:
    with pytest.raises(ConfigError, match="one beta for all"):
        Dro(normalise="sequence")
