"""`download` from a local engine, from a server, from a run and from an archive."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest
import tinker
from safetensors import safe_open

from tinker_core import CheckpointError, ConfigError, RunDirectoryError
from tinker_weights.download.download import adapter_folder, download

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The home of a local engine."""
    return Path(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def engine(home):
    """A running engine."""
    from tinker_local import start_engine

    with start_engine(home=home) as running:
        yield running


@pytest.fixture(scope="module")
def paths(engine) -> dict[str, str]:
    """A checkpoint of each kind, by kind."""
    with tinker.ServiceClient(base_url=engine.base_url, api_key=engine.api_key) as service:
        model = service.create_lora_training_client(base_model="local/tiny", rank=2).result()
        metadata = {"renderer": "chatml"}
        return {
            "weights": model.save_state("one", user_metadata=metadata).result().path,
            "sampler_weights": model.save_weights_for_sampler("one").result().path,
            "external_weights": model.save_weights_external("one").result().path,
        }


@pytest.fixture
def from_afar(engine, monkeypatch):
    """The engine is reached by its address alone, as the hosted service is."""
    monkeypatch.setenv("TINKER_BASE_URL", engine.base_url)
    monkeypatch.setenv("TINKER_API_KEY", engine.api_key)
    monkeypatch.setenv("TINKER_LOCAL_HOME", "/nowhere")


@pytest.fixture
def on_this_machine(home, monkeypatch):
    """The engine's home is here, and nothing runs."""
    monkeypatch.setenv("TINKER_LOCAL_HOME", str(home))
    monkeypatch.setenv("TINKER_BASE_URL", "http://127.0.0.1:9")  # any request would fail


def stored(home: Path, path: str) -> Path:
    return home / "checkpoints" / path.removeprefix("tinker://")


def write_run(folder: Path, *rows: dict[str, object]) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"run_id": "x", "config": {"model": "m"}}))
    lines = [json.dumps({"name": str(n), **row}) + "\n" for n, row in enumerate(rows)]
    (folder / "checkpoints.jsonl").write_text("".join(lines))
    return folder


@pytest.mark.parametrize("kind", ["weights", "sampler_weights", "external_weights"])
def test_what_a_local_engine_stored_is_copied_without_starting_it(
    home, paths, on_this_machine, tmp_path, kind
):
    found = download(paths[kind], tmp_path / "adapter")
    for name in ADAPTER:
        copied = (found.folder / name).read_bytes()
        assert copied == (stored(home, paths[kind]) / name).read_bytes()
    assert sorted(path.name for path in found.folder.iterdir()) == [*ADAPTER, "checkpoint.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


@pytest.mark.parametrize("kind", ["weights", "external_weights"])
def test_from_a_server_the_same_files_arrive(home, paths, from_afar, tmp_path, kind):
    found = download(paths[kind], tmp_path / "adapter")
    with (
        safe_open(found.folder / ADAPTER[1], "np") as one,
        safe_open(stored(home, paths[kind]) / ADAPTER[1], "np") as other,
    ):
        assert set(one.keys()) == set(other.keys())
        for name in one.keys():  # noqa: SIM118
            assert (one.get_tensor(name) == other.get_tensor(name)).all()
    assert sorted(path.name for path in found.folder.iterdir()) == [*ADAPTER, "checkpoint.json"]


def test_the_metadata_of_a_checkpoint_comes_along(paths, from_afar, tmp_path):
    download(paths["weights"], tmp_path / "adapter")
    origin = json.loads((tmp_path / "adapter" / "checkpoint.json").read_text())
    assert origin == {"path": paths["weights"], "user_metadata": {"renderer": "chatml"}}


def test_nothing_of_an_export_stays_at_the_engine(engine, paths, from_afar, tmp_path):
    rest = tinker.RestClient(base_url=engine.base_url, api_key=engine.api_key)
    before = {row.tinker_path for row in rest.list_user_checkpoints().result().checkpoints}
    download(paths["weights"], tmp_path / "adapter")
    after = {row.tinker_path for row in rest.list_user_checkpoints().result().checkpoints}
    assert after == before


def test_sampler_weights_of_a_server_cannot_be_downloaded_and_the_error_says_what_can(
    paths, from_afar, tmp_path
):
    with pytest.raises(CheckpointError, match="name the training checkpoint"):
        download(paths["sampler_weights"], tmp_path / "adapter")


def test_a_download_that_broke_off_goes_on(home, paths, from_afar, tmp_path):
    path = paths["external_weights"]
    partial = tmp_path / ".adapter.download"
    partial.mkdir()
    (partial / ".source").write_text(path)
    shutil.copy(stored(home, path) / ADAPTER[0], partial)
    marked = json.loads((partial / ADAPTER[0]).read_text()) | {"here": "already"}
    (partial / ADAPTER[0]).write_text(json.dumps(marked))
    download(path, tmp_path / "adapter")
    assert json.loads((tmp_path / "adapter" / ADAPTER[0]).read_text())["here"] == "already"


def test_what_another_download_left_is_thrown_away(paths, from_afar, tmp_path):
    partial = tmp_path / ".adapter.download"
    partial.mkdir()
    (partial / ".source").write_text("tinker://another/weights/one")
    (partial / ADAPTER[0]).write_text("{}")
    download(paths["external_weights"], tmp_path / "adapter")
    assert json.loads((tmp_path / "adapter" / ADAPTER[0]).read_text())["r"] == 2


def test_a_run_gives_its_newest_checkpoint_or_that_of_a_step(
    home, paths, on_this_machine, tmp_path
):
    run = write_run(
        tmp_path / "run",
        {"progress": {"step": 5}, "state_path": paths["weights"]},
        {"progress": {"step": 9}, "sampler_path": paths["sampler_weights"]},
    )
    newest, older = download(str(run), tmp_path / "a"), download(str(run), tmp_path / "b", step=5)
    assert (newest.origin, newest.step) == (paths["sampler_weights"], 9)
    assert (older.origin, older.step) == (paths["weights"], 5)
    with pytest.raises(CheckpointError, match="no checkpoint of step 7, only 5, 9"):
        download(str(run), tmp_path / "c", step=7)


def test_of_a_run_at_a_server_the_downloadable_checkpoint_is_taken(paths, from_afar, tmp_path):
    both = {"state_path": paths["weights"], "sampler_path": paths["sampler_weights"]}
    run = write_run(tmp_path / "run", {"progress": {"step": 5}, **both})
    assert download(str(run), tmp_path / "adapter").origin == paths["weights"]


def test_a_run_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        download(str(write_run(tmp_path / "run")), tmp_path / "adapter")


def test_an_archive_of_an_adapter_is_unpacked(home, paths, tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name in ADAPTER:
            archive.add(stored(home, paths["weights"]) / name, f"checkpoint/{name}")
    found = download(str(tmp_path / "a.tar.gz"), tmp_path / "adapter")
    assert sorted(path.name for path in found.folder.iterdir()) == [*ADAPTER]


def test_an_archive_without_an_adapter_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "notes.txt", "notes.txt")
    with pytest.raises(CheckpointError, match="no adapter"):
        download(str(tmp_path / "a.tar"), tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_a_damaged_file_is_no_download(home, paths, on_this_machine, tmp_path, monkeypatch):
    elsewhere = tmp_path / "home"
    shutil.copytree(home, elsewhere)
    file = stored(elsewhere, paths["weights"]) / ADAPTER[1]
    file.write_bytes(file.read_bytes()[:-10])
    monkeypatch.setenv("TINKER_LOCAL_HOME", str(elsewhere))
    with pytest.raises(Exception, match="not a readable safetensors file"):
        download(paths["weights"], tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_a_folder_that_is_taken_is_left_alone(paths, on_this_machine, tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        download(paths["weights"], tmp_path / "adapter")
    assert (tmp_path / "adapter" / "mine.txt").read_text() == "mine"
    download(paths["weights"], tmp_path / "adapter", overwrite=True)
    assert not (tmp_path / "adapter" / "mine.txt").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tinker://only/two", "expected tinker://<run>/<kind>/<name>"),
        ("tinker://run/heights/name", "'heights' is not one of"),
        ("tinker://run//name", "expected tinker://"),
        ("nowhere", "no run's folder"),
    ],
)
def test_what_names_no_checkpoint_is_refused(tmp_path, source, message):
    with pytest.raises(ConfigError, match=message):
        download(source, tmp_path / "adapter")


def test_a_damaged_run_says_where(tmp_path):
    run = write_run(tmp_path / "run")
    (run / "checkpoints.jsonl").write_text('{"name": "a"}\n')
    with pytest.raises(RunDirectoryError, match=r"checkpoints\.jsonl:1: not a checkpoint"):
        download(str(run), tmp_path / "adapter")


def test_a_folder_with_an_adapter_is_used_as_it_is(home, paths, on_this_machine):
    folder = stored(home, paths["weights"])
    with adapter_folder(str(folder)) as found:
        assert found == folder
    with adapter_folder(paths["weights"]) as found:
        assert (found / ADAPTER[1]).is_file()
    assert not found.exists()
