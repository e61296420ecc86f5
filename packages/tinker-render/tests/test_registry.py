"""Renderers by name."""

import pytest

from tinker_core import ConfigError
from tinker_render import (
    LINEUP,
    Renderer,
    get_recommended_renderer_name,
    get_renderer,
    register_renderer,
    renderer_names,
    unregister_renderer,
)
from tinker_render.families.chatml import ChatML


def pirate(tokenizer, image_processor):
    """ChatML with a system prompt of its own."""
    return Renderer(name="pirate", tokenizer=tokenizer, format=ChatML("Talk like a pirate."))


@pytest.fixture
def pirate_is_registered():
    register_renderer("pirate", pirate)
    yield
    unregister_renderer("pirate")


@pytest.mark.usefixtures("pirate_is_registered")
def test_a_registered_renderer_is_found_by_its_name(chatml_tokenizer):
    renderer = get_renderer("pirate", chatml_tokenizer)
    prompt = renderer.build_generation_prompt([{"role": "user", "content": "Hi"}]).to_ints()
    assert "pirate" in chatml_tokenizer.decode(prompt)
    assert "pirate" in renderer_names()


@pytest.mark.usefixtures("pirate_is_registered")
def test_a_name_is_given_once():
    with pytest.raises(ConfigError, match="'pirate' exists already"):
        register_renderer("pirate", pirate)


def test_a_name_of_ours_cannot_be_taken():
    with pytest.raises(ConfigError, match="'chatml' exists already"):
        register_renderer("chatml", pirate)


def test_a_renderer_that_was_not_registered_cannot_be_forgotten():
    with pytest.raises(ConfigError, match="'pirate'"):
        unregister_renderer("pirate")


def test_an_unknown_renderer_is_an_error_that_says_what_is_near(chatml_tokenizer):
    with pytest.raises(ConfigError, match="unknown renderer 'chat-ml'; did you mean chatml"):
        get_renderer("chat-ml", chatml_tokenizer)


@pytest.mark.parametrize(
    ("model", "renderer"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "chatml"),
        ("local/smollm2-135m-instruct", "chatml"),
        ("local/tiny", "chatml_plain"),
        ("local/tiny:served-somehow", "chatml_plain"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("Qwen/Qwen3-8B-Base", "role_colon"),
        ("qwen/qwen3-4b-instruct-2507", "qwen3_instruct"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3"),
        ("meta-llama/Llama-3.1-8B", "role_colon"),
    ],
)
def test_a_model_has_a_recommended_renderer(model, renderer):
    assert get_recommended_renderer_name(model) == renderer


def test_a_model_that_nobody_knows_follows_its_own_template():
    assert get_recommended_renderer_name("acme/unknown") == "template"


def test_every_recommended_renderer_exists():
    assert {family.renderer for family in LINEUP} <= set(renderer_names())


def test_auto_goes_by_the_name_of_the_tokenizer(make_tokenizer):
    tokenizer = make_tokenizer(["<|im_start|>", "<|im_end|>"])
    tokenizer.name_or_path = "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert get_renderer("auto", tokenizer).name == "chatml"


def test_a_tokenizer_without_a_template_has_no_automatic_renderer(make_tokenizer):
    with pytest.raises(ConfigError, match="no chat template"):
        get_renderer("auto", make_tokenizer(["<|im_start|>", "<|im_end|>"]))
