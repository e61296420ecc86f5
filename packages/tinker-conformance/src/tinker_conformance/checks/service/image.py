"""Images in prompts and data: understood, or refused, but never dropped."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.batch import tensor_source
from tinker_conformance.client.sampler import prompt_source
from tinker_conformance.client.server import Server
from tinker_conformance.client.shown import Shown
from tinker_conformance.client.trainer import LOGPROBS
from tinker_conformance.expect import expect, expect_refusal, refused
from tinker_conformance.experiment.samples import PROMPT, greedy

SIDE = 64
IMAGE_TOKENS = 16
RED, BLUE = 0, 2
TEXT_BEFORE, TEXT_AFTER = PROMPT[:3], PROMPT[3:]


def _png(hue: int) -> bytes:
    """A picture with a gradient in one colour channel, written without an image library."""
    channels = np.zeros((SIDE, SIDE, 3), np.uint8)
    channels[:, :, hue] = np.linspace(0, 255, SIDE)
    rows = b"".join(b"\0" + line.tobytes() for line in channels)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _prompt(hue: int, expected_tokens: int | None = None) -> types.ModelInput:
    """Text with a picture in the middle."""
    image = types.ImageChunk(data=_png(hue), format="png", expected_tokens=expected_tokens)
    before, after = (types.EncodedTextChunk(tokens=part) for part in (TEXT_BEFORE, TEXT_AFTER))
    return types.ModelInput(chunks=[before, image, after])


@check
def in_a_prompt(server: Server) -> None:
    """The logprobs behind an image depend on the image, or images are refused."""
    sampler, parameters = server.sampler(), greedy(1)
    if refused(sampler.sample, _prompt(RED), parameters) is not None:
        server.notes["images"] = "refused"
        return
    server.notes["images"] = "accepted"
    red, blue = (
        sampler.sample(_prompt(hue), parameters, include_prompt_logprobs=True)
        .result()
        .show(f"np.array($.prompt_logprobs[-{len(TEXT_AFTER)}:], float)")
        for hue in (RED, BLUE)
    )
    moved = not np.allclose(red.array, blue.array, atol=server.tolerance.logprob)
    expected = f"others than behind a blue image, {blue.array.round(4)}"
    expect(moved, "logprobs behind a red image", red, expected)


@check
def wrong_number_of_tokens(server: Server) -> None:
    """An image whose expected_tokens are wrong is refused."""
    what, sampler = "an image of 99,999 tokens", server.sampler()
    expect_refusal(server, what, sampler.sample, _prompt(RED, 99_999), greedy(1))


@check
def in_a_datum(server: Server) -> None:
    """The logprobs behind an image of a datum depend on the image, or images are refused."""
    trainer = server.trainer()
    length = len(PROMPT) + IMAGE_TOKENS
    shown = []
    for hue in (RED, BLUE):
        data = _data(server, _prompt(hue, IMAGE_TOKENS), length)
        submit = trainer.client.forward
        call = server.call(trainer.variable, submit, "forward", data, "cross_entropy")
        if refused(call.result) is not None:
            return
        shown.append(call.result().show(LOGPROBS.format(index=0)))
    red, blue = shown
    expect(red.array.shape == (length,), "shape of logprobs", red, f"({length},)")
    tail = slice(-len(TEXT_AFTER), None)
    moved = not np.allclose(red.array[tail], blue.array[tail], atol=server.tolerance.logprob)
    expected = f"others than behind a blue image, {blue.array[tail].round(4)}"
    expect(moved, "logprobs behind a red image", red, expected)


def _data(server: Server, prompt: types.ModelInput, length: int) -> Shown:
    """A datum with a prompt that is not all text, as a variable of the script."""
    inputs = {
        "target_tokens": types.TensorData(data=[PROMPT[0]] * length, dtype="int64"),
        "weights": types.TensorData(data=[0.0] * length, dtype="float32"),
    }
    columns = ", ".join(f'"{name}": {tensor_source(each)}' for name, each in inputs.items())
    variable = server.script.variable("data")
    text = f"types.Datum(model_input={prompt_source(prompt)}, loss_fn_inputs={{{columns}}})"
    server.script.add(f"{variable} = [{text}]", makes=variable)
    data = [types.Datum(model_input=prompt, loss_fn_inputs=inputs)]
    return Shown(data, variable, frozenset({variable}), server.script)
