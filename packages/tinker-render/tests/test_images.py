"""Images: what stands around them, how many tokens they are, and who cannot have any."""

import base64
import json
from io import BytesIO

import pytest

from tinker_core import ConfigError, ImagePart, Message, RenderError, Reply
from tinker_render import TrainOnWhat, get_image_processor, get_renderer
from tinker_render.cli.show import Span, spans
from tinker_render.registry import FORMATS

pillow = pytest.importorskip("PIL.Image")

VISION = [name for name in FORMATS if name.startswith(("qwen3_vl", "kimi_k25", "kimi_k26"))]


def encoded(width=64, height=32, kind="png"):
    file = BytesIO()
    pillow.new("RGB", (width, height), "teal").save(file, format=kind)
    return file.getvalue()


def asking(image):
    parts = [{"type": "text", "text": "What "}, {"type": "image", "image": image}]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": "is it?"}]}]


@pytest.fixture(scope="module")
def qwen3_vl_folder(tmp_path_factory):
    """The configuration of Qwen3-VL's image processor; every transformers 5 loads its class."""
    folder = tmp_path_factory.mktemp("qwen3-vl")
    size = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
    config = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 16, "size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return str(folder)


class OfKimi:
    """Counts as the processor beside Kimi's weights does: by what it resizes to."""

    def get_resize_config(self, media):
        width, height = media["image"].size
        return {"num_tokens": (width // 28) * (height // 28)}


@pytest.mark.parametrize(("width", "height"), [(64, 32), (37, 91), (640, 480), (2000, 100)])
def test_an_image_is_as_many_tokens_as_the_vendors_processor_makes(
    surrogate, qwen3_vl_folder, width, height
):
    processor = get_image_processor(qwen3_vl_folder)
    rendered = get_renderer("qwen3_vl", surrogate, processor).render(asking(encoded(width, height)))
    picture = pillow.open(BytesIO(encoded(width, height)))
    _, rows, columns = processor(images=[picture], return_tensors="np")["image_grid_thw"][0]
    [image] = rendered.images
    assert image.chunk.length == rows * columns // processor.merge_size**2
    assert rendered.model_input.length == len(rendered.tokens)


def test_show_says_where_an_image_is_and_how_large(surrogate, qwen3_vl_folder):
    renderer = get_renderer("qwen3_vl_instruct", surrogate, get_image_processor(qwen3_vl_folder))
    chat = [*asking(encoded()), {"role": "assistant", "content": "Teal."}]
    shown = spans(renderer, *renderer.build_supervised_example(chat))
    [image] = renderer.render(chat).images
    assert Span(f"[image: {image.chunk.length} tokens]", False, True) in shown
    assert "".join(span.text for span in shown if span.trained).startswith("Teal.")


def test_an_image_stands_between_the_familys_tokens(surrogate, qwen3_vl_folder):
    renderer = get_renderer("qwen3_vl_instruct", surrogate, qwen3_vl_folder)
    before, image, behind = renderer.build_generation_prompt(asking(encoded())).chunks
    assert surrogate.decode(before.tokens) == "<|im_start|>user\nWhat <|vision_start|>"
    assert (image.type, image.format, image.data) == ("image", "png", encoded())
    assert surrogate.decode(behind.tokens) == (
        "<|vision_end|>is it?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_kimi_counts_in_its_own_way(surrogate):
    renderer = get_renderer("kimi_k25", surrogate, OfKimi())
    before, image, behind = renderer.build_generation_prompt(asking(encoded(56, 28, "jpeg"))).chunks
    assert surrogate.decode(before.tokens).endswith("What <|media_begin|>image<|media_content|>")
    assert (image.length, image.format) == (2, "jpeg")
    assert surrogate.decode(behind.tokens).startswith("<|media_end|>\nis it?<|im_end|>")


def test_a_data_url_is_the_bytes_in_it(surrogate, qwen3_vl_folder):
    renderer = get_renderer("qwen3_vl", surrogate, qwen3_vl_folder)
    url = "data:image/png;base64," + base64.b64encode(encoded()).decode()
    assert renderer.build_generation_prompt(asking(url)) == renderer.build_generation_prompt(
        asking(encoded())
    )


def test_no_loss_is_on_an_image(surrogate, qwen3_vl_folder):
    renderer = get_renderer("qwen3_vl_instruct", surrogate, qwen3_vl_folder)
    messages = [*asking(encoded()), {"role": "assistant", "content": "Teal."}]
    model_input, weights = renderer.build_supervised_example(messages)
    trained = [t for chunk in model_input.chunks[2:] for t in chunk.tokens][-int(weights.sum()) :]
    assert surrogate.decode(trained) == "Teal.<|im_end|>"
    assert len(weights) == model_input.length
    [example] = renderer.build_supervised_examples(messages, TrainOnWhat.ALL_ASSISTANT_MESSAGES)
    assert example[0] == model_input


def test_a_tool_may_answer_with_an_image(surrogate, qwen3_vl_folder):
    renderer = get_renderer("qwen3_vl", surrogate, qwen3_vl_folder)
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "look"}}]}
    answer = Message(role="tool", content=ImagePart(encoded()))
    chunks = renderer.build_generation_prompt([*asking(encoded()), call, answer]).chunks
    assert [chunk.type for chunk in chunks].count("image") == 2


def test_a_reply_about_an_image_is_gone_on_from(surrogate, qwen3_vl_folder):
    renderer = get_renderer("qwen3_vl_instruct", surrogate, qwen3_vl_folder)
    sampled = surrogate.encode("Teal.<|im_end|>", add_special_tokens=False)
    assert isinstance(renderer.parse_response(sampled), Reply)
    bridge = renderer.bridge(asking(encoded()), sampled, [{"role": "user", "content": "Sure?"}])
    assert (
        surrogate.decode(bridge) == "\n<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("name", VISION)
def test_text_alone_needs_no_image_processor(surrogate, name):
    renderer = get_renderer(name, surrogate)
    assert renderer.build_generation_prompt([{"role": "user", "content": "Hi"}]).length
    with pytest.raises(RenderError, match=rf"messages\[0\].*'{name}', tokenizer, get_image_proc"):
        renderer.build_generation_prompt(asking(encoded()))


@pytest.mark.parametrize("name", sorted(set(FORMATS) - set(VISION)))
def test_a_model_that_sees_no_images_is_given_none(renderer_of, name):
    with pytest.raises(RenderError, match=r"messages\[0\] \(user\): .* has no form for images"):
        renderer_of(name).build_generation_prompt(asking(encoded()))


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (encoded(kind="gif"), "must be PNG or JPEG, not GIF"),
        (b"no image", "cannot identify image"),
        ("https://example.com/a.png", "URLs are not fetched"),
        ("data:image/png;base64,@@@", "base64 of an image is broken"),
        (encoded(900, 3), "aspect ratio"),
    ],
)
def test_what_is_no_image_is_refused_by_its_message(surrogate, qwen3_vl_folder, image, problem):
    renderer = get_renderer("qwen3_vl", surrogate, qwen3_vl_folder)
    with pytest.raises(RenderError, match=rf"messages\[0\] \(user\): .*{problem}"):
        renderer.render(asking(image))


def test_a_processor_that_cannot_count_is_refused(surrogate):
    with pytest.raises(ConfigError, match="object does not tell how many tokens"):
        get_renderer("qwen3_vl", surrogate, object()).render(asking(encoded()))


def test_a_model_without_an_image_processor_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no image processor for"):
        get_image_processor(str(tmp_path))
