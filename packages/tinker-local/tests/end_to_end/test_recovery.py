"""A server that is killed and started again has all checkpoints, to the bit."""

from __future__ import annotations

import os
import signal

import pytest
import tinker
from tinker import types

from tinker_local import start_engine

TOKENS = [5, 6, 7, 8, 9, 10]
DATA = [
    types.Datum(
        model_input=types.ModelInput.from_ints(TOKENS[:-1]),
        loss_fn_inputs={"target_tokens": TOKENS[1:], "weights": [1.0] * 5},
    )
]


def losses(model, steps):
    """The losses of so many steps, to the last bit."""
    rows = []
    for _ in range(steps):
        loss = model.forward_backward(DATA, "cross_entropy")
        model.optim_step(types.AdamParams(learning_rate=1e-2, grad_clip_norm=1.0)).result()
        rows.append(loss.result().metrics["loss:sum"].hex())
    return rows


def connect(engine):
    return tinker.ServiceClient(base_url=engine.base_url, api_key=engine.api_key)


def test_training_resumes_to_the_bit_after_the_server_was_killed(tmp_path):
    with start_engine(home=tmp_path) as engine:
        client = connect(engine)
        model = client.create_lora_training_client(base_model="local/tiny", rank=4, seed=3).result()
        losses(model, 3)
        path = model.save_state("before").result().path
        half_done = model.forward_backward(DATA, "cross_entropy")
        expected_model = client.create_training_client_from_state_with_optimizer(path).result()
        expected = losses(expected_model, 3)
        half_done.result()
        os.kill(engine.process.pid, signal.SIGKILL)
        engine.process.wait()
    with start_engine(home=tmp_path) as engine, connect(engine) as client:
        rest = tinker.RestClient(base_url=engine.base_url, api_key=engine.api_key)
        run_id = path.split("/")[2]
        assert rest.get_training_run(run_id).result().last_checkpoint.tinker_path == path
        with pytest.raises(tinker.NotFoundError):
            rest.get_session(run_id.split(":")[0]).result()
        resumed = client.create_training_client_from_state_with_optimizer(path).result()
        assert resumed.model_id != run_id, "ids are never used again"
        assert losses(resumed, 3) == expected
