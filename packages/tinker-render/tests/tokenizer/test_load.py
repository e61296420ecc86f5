"""Where a tokenizer is looked for."""

import socket
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from tinker_core import ConfigError
from tinker_render import get_tokenizer
from tinker_render.tokenizer import load
from tinker_render.tokenizer.hub import hub_answers


@pytest.fixture
def folder(tmp_path, chatml_tokenizer):
    chatml_tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def installed(monkeypatch, folder):
    """A package that knows one model, and that a second one is asked before."""
    monkeypatch.setenv("WHERE_ACME_LIES", str(folder))
    points = EntryPoints(
        EntryPoint(name, f"tests_of_tokenizer:{name}", load.ENTRY_POINTS)
        for name in ("knows_nothing", "knows_acme")
    )
    monkeypatch.setattr(load, "entry_points", lambda group: points)
    functions = {
        "knows_nothing": lambda name: None,
        "knows_acme": lambda name: folder if name == "acme/model" else None,
    }
    monkeypatch.setattr(EntryPoint, "load", lambda self: functions[self.name])
    load._load.cache_clear()


def test_a_folder_is_loaded(folder, chatml_tokenizer):
    assert get_tokenizer(str(folder)).get_vocab() == chatml_tokenizer.get_vocab()


@pytest.mark.usefixtures("installed")
def test_an_installed_package_is_asked_before_the_hub(chatml_tokenizer):
    assert get_tokenizer("acme/model").get_vocab() == chatml_tokenizer.get_vocab()


@pytest.mark.usefixtures("installed")
def test_a_suffix_of_the_name_does_not_matter():
    assert get_tokenizer("acme/model:bf16") is get_tokenizer("acme/model")


@pytest.mark.usefixtures("installed")
def test_a_model_that_is_nowhere_is_an_error_that_says_where_we_looked(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        ConfigError, match=r"'acme/other' in a folder.*knows_acme.*Hugging Face hub"
    ):
        get_tokenizer("acme/other")


def test_whether_somebody_listens_at_the_hub(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("tinker_render.tokenizer.hub.getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as hub:
        address = f"http://127.0.0.1:{hub.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        assert hub_answers()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert not hub_answers()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert not hub_answers()
    with pytest.raises(ConfigError, match=r"'acme/other'.*Hugging Face hub"):
        get_tokenizer("acme/other")


@pytest.mark.usefixtures("installed")
def test_a_local_name_is_not_looked_up_on_the_hub():
    with pytest.raises(ConfigError, match=r"'local/other' in a folder.*is tinker-local installed"):
        get_tokenizer("local/other")
