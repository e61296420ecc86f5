"""The REST interface: training runs, checkpoints, sessions."""

from __future__ import annotations

from tinker_conformance.check import check
from tinker_conformance.client.server import Server
from tinker_conformance.expect import expect, expect_equal, expect_refusal
from tinker_conformance.experiment.twins import warm_trainer


@check
def training_run(server: Server) -> None:
    """A training run is listed with its base model, rank and metadata."""
    trainer = server.trainer(rank=5, user_metadata={"purpose": "conformance"})
    trainer.save_state("one")
    run = server.rest("get_training_run", trainer.id)
    expect_equal("training_run_id", run.part("training_run_id"), trainer.client.model_id)
    expect_equal("base_model", run.part("base_model"), server.target.model)
    expect_equal("lora_rank", run.part("lora_rank"), 5)
    expect_equal("user_metadata", run.part("user_metadata"), {"purpose": "conformance"})
    listed = server.rest("list_training_runs", limit=100)
    ids = [each.training_run_id for each in listed.value.training_runs]
    expect(trainer.client.model_id in ids, "training runs", listed, "the new run among them")


@check
def checkpoints(server: Server) -> None:
    """The checkpoints of a run are listed with their type, path and metadata."""
    trainer = server.trainer()
    saved = trainer.save("save_state", name="state", user_metadata={"step": "7"})
    state = saved.result().show("$.path")
    trainer.save("save_weights_for_sampler", name="weights").result()
    shown = server.rest("list_checkpoints", trainer.id)
    found = {each.checkpoint_id: each for each in shown.value.checkpoints}
    wanted = {"weights/state": "training", "sampler_weights/weights": "sampler"}
    types = {name: each.checkpoint_type for name, each in found.items()}
    expect(types == wanted, "checkpoint ids and types", shown, str(wanted), came=str(types))
    one = found["weights/state"]
    expect(one.tinker_path == state.value, "tinker_path", shown, state.value, came=one.tinker_path)
    expect(one.user_metadata == {"step": "7"}, "user_metadata", shown, "{'step': '7'}",
           came=str(one.user_metadata))  # fmt: skip
    everywhere = server.rest("list_user_checkpoints", limit=100)
    paths = [each.tinker_path for each in everywhere.value.checkpoints]
    expect(state.value in paths, "checkpoints of the user", everywhere, state.value)


@check
def pages(server: Server) -> None:
    """`limit` and `offset` cut the list of checkpoints into pages without a gap."""
    trainer = server.trainer()
    for name in ("one", "two", "three"):
        trainer.save_state(name)
    whole = server.rest("list_user_checkpoints", limit=3).value.checkpoints
    paths = [each.tinker_path for each in whole]
    for offset, expected in enumerate(paths):
        page = server.rest("list_user_checkpoints", limit=1, offset=offset)
        came = [each.tinker_path for each in page.value.checkpoints]
        what = f"checkpoints with limit=1, offset={offset}"
        expect(came == [expected], what, page, expected, came=str(came))


@check
def weights_info(server: Server) -> None:
    """Weights info says the base model and the rank of a checkpoint."""
    path = server.trainer(rank=5).save_state("info")
    info = server.rest("get_weights_info_by_tinker_path", path)
    expect_equal("base_model", info.part("base_model"), server.target.model)
    expect_equal("lora_rank", info.part("lora_rank"), 5)


@check
def delete(server: Server) -> None:
    """A deleted checkpoint is neither listed nor loaded any more."""
    trainer = warm_trainer(server)
    path, other = trainer.save_state("gone"), trainer.save_state("kept")
    server.rest("delete_checkpoint_from_tinker_path", path)
    shown = server.rest("list_checkpoints", trainer.id)
    paths = [each.tinker_path for each in shown.value.checkpoints]
    expect(paths == [other.value], "checkpoints", shown, other.value, came=str(paths))
    what = "loading a deleted checkpoint"
    expect_refusal(server, what, server.trainer_from, path, optimizer=False)


@check
def publish(server: Server) -> None:
    """Publishing and unpublishing sets `public` of a checkpoint."""
    trainer = server.trainer()
    path = trainer.save_state("public")
    for method, public in (("publish", True), ("unpublish", False)):
        server.rest(f"{method}_checkpoint_from_tinker_path", path)
        shown = server.rest("list_checkpoints", trainer.id)
        came = [each.public for each in shown.value.checkpoints]
        expect(came == [public], f"public after {method}", shown, str(public), came=str(came))


@check
def session(server: Server) -> None:
    """A session lists its training runs and samplers."""
    trainer = server.trainer()
    server.sampler()
    session_id = trainer.client.model_id.split(":train:")[0]
    shown = server.rest("get_session", trainer.id.of(session_id, "$.split(':train:')[0]"))
    runs = shown.part("training_run_ids")
    expect_equal("training_run_ids", runs, [trainer.client.model_id])
    expect(len(shown.value.sampler_ids) == 1, "sampler_ids", shown.part("sampler_ids"), "one id")
    listed = server.rest("list_sessions", limit=100)
    expect(session_id in listed.value.sessions, "sessions", listed, session_id)


@check
def sampler(server: Server) -> None:
    """A sampler says its base model and the weights that it samples from."""
    path = server.trainer().save("save_weights_for_sampler", name="w").result().show("$.path")
    made = server.sampler(path)
    came = made.client.get_base_model()
    expect(came == server.target.model, "get_base_model()", path, server.target.model, came=came)


@check
def unknown_ids(server: Server) -> None:
    """Ids of nothing are refused."""
    for method in ("get_training_run", "list_checkpoints", "get_session", "get_sampler"):
        expect_refusal(server, f"{method} of an unknown id", server.rest, method, "no-such-id")
