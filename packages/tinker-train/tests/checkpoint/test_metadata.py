"""What a checkpoint was trained with."""

import asyncio

import pytest

from tinker_core.testing import BigramService
from tinker_train import read_metadata, trained_renderer


@pytest.fixture
def service(tmp_path):
    return BigramService(tmp_path)


def test_metadata_come_back_from_the_engine(service):
    training = service.create_lora_training_client("m").result()
    first = training.save_state("1", user_metadata={"renderer": "a"}).result().path
    second = training.save_state("2").result().path
    assert asyncio.run(read_metadata(service, first)) == {"renderer": "a"}
    assert asyncio.run(read_metadata(service, second)) == {}


@pytest.mark.parametrize("path", ["tinker://other/weights/1", "tinker://x", "not a path"])
def test_a_checkpoint_that_the_engine_does_not_list_has_no_metadata(service, path):
    assert asyncio.run(read_metadata(service, path)) == {}


@pytest.mark.parametrize(
    ("trained", "asked", "used", "warns"),
    [
        ("a", None, "a", False),
        ("a", "auto", "a", False),
        ("a", "a", "a", False),
        ("a", "b", "b", True),
        (None, "b", "b", False),
        (None, "auto", None, False),
        (None, None, None, False),
    ],
)
def test_the_renderer_is_the_one_asked_for_or_that_of_the_training(
    caplog, trained, asked, used, warns
):
    metadata = {} if trained is None else {"renderer": trained}
    assert trained_renderer(metadata, "tinker://r/weights/1", asked) == used
    expected = ["tinker://r/weights/1 was trained with the renderer a, not with b"] if warns else []
    assert [record.getMessage() for record in caplog.records] == expected
