"""Images among the tokens."""

import tinker
from tinker.types import ImageChunk

from tinker_render.segments import SegmentWriter
from tinker_render.tokenizer.codec import Codec


def test_images_stand_where_they_were_written(chatml_tokenizer):
    images = [ImageChunk(data=b"x", format="png", expected_tokens=n) for n in (3, 2)]
    writer = SegmentWriter()
    writer.start(0, sampled=False)
    for text, image in zip(["the answer", ""], images, strict=True):
        writer.text(text)
        writer.image(image)
    writer.text(" is")
    rendered = Codec(chatml_tokenizer, ()).render(writer.segments)
    before, after = chatml_tokenizer.encode("the answer"), chatml_tokenizer.encode(" is")
    assert rendered.tokens.tolist() == [*before, 0, 0, 0, 0, 0, *after]
    assert rendered.model_input.chunks == [
        tinker.EncodedTextChunk(tokens=before),
        *images,
        tinker.EncodedTextChunk(tokens=after),
    ]
    assert rendered.cut(len(before) + 3).model_input.chunks[1:] == images[:1]
