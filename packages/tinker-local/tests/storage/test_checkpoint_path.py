"""Paths of checkpoints: none leaves the store."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_local.errors import RequestError
from tinker_local.storage.checkpoint_path import KINDS, make_path, parse_path
from tinker_local.storage.checkpoint_store import CheckpointStore

RUN = "session-1:train:0"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_path_leaves_the_store(run, kind, name):
    try:
        path = make_path(run, kind, name)
    except RequestError:
        return
    folder = CheckpointStore("/home/store").folder(path)
    assert folder == type(folder)(os.path.normpath(folder))
    assert folder.is_relative_to("/home/store/checkpoints")
    assert len(folder.relative_to("/home/store/checkpoints").parts) == 3


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", "", "a\\b", "a\0", "ä", "x" * 129])
def test_an_invalid_name_is_refused(name):
    with pytest.raises(RequestError, match="invalid checkpoint name"):
        make_path(RUN, "weights", name)


def test_a_path_is_written_as_it_is_read():
    for kind in KINDS:
        text = f"tinker://{RUN}/{kind}/step_10"
        assert str(parse_path(text)) == text
    for wrong in ("tinker://a/b", "file:///etc/passwd", f"tinker://{RUN}/weights/a/b"):
        with pytest.raises(
            RequestError, match=f"invalid checkpoint path '{wrong}': expected tinker"
        ):
            parse_path(wrong)
