"""The mirror of a run directory on S3, as a local test server speaks it."""

from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from tinker_train.run.mirror import Mirror, fetch_run, mirroring


@pytest.fixture(scope="module")
def server():
    """A server with a bucket `runs`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").mkdir("runs")
        yield server
    server.stop()


def make_run(folder: Path) -> dict[str, str]:
    """A run directory with a few files; their contents by name."""
    files = {
        "config.json": "{}",
        "metrics.jsonl": '{"step": 1}\n',
        "transcripts/train-1.jsonl": "x",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return files


def test_a_run_is_fetched_from_its_mirror_on_s3(server, tmp_path):
    files = make_run(tmp_path / "run")
    with mirroring(tmp_path / "run", "s3://runs/a", pytest.fail):
        pass
    fetched = fetch_run("s3://runs/a", tmp_path / "fetched")
    found = {name: (fetched / name).read_text() for name in files}
    assert found == files
    assert not [file for file in fetched.rglob("*") if file.is_file() and file.name.startswith(".")]


def test_a_bucket_that_goes_away_is_said_once_and_the_run_goes_on(server, tmp_path):
    make_run(tmp_path / "run")
    said: list[str] = []
    mirror = Mirror(tmp_path / "run", "s3://no-such-bucket/a", said.append)
    mirror.copy()
    mirror.copy()
    assert len(said) == 1
    assert "s3://no-such-bucket/a cannot be written, the run goes on" in said[0]
