"""Images in prompts and data: understood, or refused, but never dropped."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.server import Server
from tinker_conformance.expect import expect, expect_refusal, refused
from tinker_conformance.experiment.samples import PROMPT, greedy

SIDE = 64
TEXT_BEFORE, TEXT_AFTER = PROMPT[:3], PROMPT[3:]


def _png(side: int) -> bytes:
    """A picture with a gradient of red, written without an image library."""
    rows = b"".join(
        b"\0" + bytes(v for x in range(side) for v in ((x * 255) // side, 40, (y * 255) // side))
        for y in range(side)
    )
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _prompt(expected_tokens: int | None) -> types.ModelInput:
    image = types.ImageChunk(data=_png(SIDE), format="png", expected_tokens=expected_tokens)
    before, after = (types.EncodedTextChunk(tokens=part) for part in (TEXT_BEFORE, TEXT_AFTER))
    return types.ModelInput(chunks=[before, image, after])


@check
def in_a_prompt(server: Server) -> None:
    """An image in a prompt changes the logprobs behind it, or is refused."""
    sampler = server.sampler()
    without = sampler.compute_logprobs(PROMPT).array
    if refused(sampler.sample, _prompt(None), greedy(1)) is not None:
        server.notes["images"] = "refused"
        return
    server.notes["images"] = "accepted"
    reply = sampler.sample(_prompt(None), greedy(1), include_prompt_logprobs=True).result()
    came = reply.show("$.prompt_logprobs")
    tail = len(TEXT_AFTER)
    longer = len(came.value) > len(PROMPT)
    expect(longer, "prompt_logprobs", came, f"more than {len(PROMPT)} entries: the image has some")
    moved = not np.allclose(came.array[-tail:], without[-tail:], atol=server.tolerance.logprob)
    expect(moved, "logprobs behind the image", came, f"others than without: {without[-tail:]}")


@check
def wrong_number_of_tokens(server: Server) -> None:
    """An image whose expected_tokens are wrong is refused."""
    sampler = server.sampler()
    what = "an image of 99,999 tokens"
    expect_refusal(server, what, sampler.sample, _prompt(99_999), greedy(1))


@check
def in_a_datum(server: Server) -> None:
    """An image in a datum has a row of logprobs for each of its tokens, or is refused."""
    trainer = server.trainer()
    image = 16
    length = len(PROMPT) + image
    inputs = {
        "target_tokens": types.TensorData(data=[PROMPT[0]] * length, dtype="int64"),
        "weights": types.TensorData(data=[0.0] * length, dtype="float32"),
    }
    datum = types.Datum(model_input=_prompt(image), loss_fn_inputs=inputs)
    submit = trainer.client.forward
    call = server.call(trainer.variable, submit, "forward", [datum], "cross_entropy")
    message = refused(call.result)
    if message is None:
        shape = call.result().show("$.loss_fn_outputs[0]['logprobs'].shape")
        expect(shape.value == [length], "shape of logprobs", shape, f"[{length}]")
