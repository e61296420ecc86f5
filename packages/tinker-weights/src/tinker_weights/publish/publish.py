"""`publish`: a folder to the Hugging Face hub, with a model card."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen

from tinker_core import ConfigError
from tinker_weights.adapter.config import CONFIG
from tinker_weights.checkpoint.run_directory import read_run
from tinker_weights.publish.card import make_card, write_card
from tinker_weights.publish.facts import contents_of, is_hub_name

CARD = "README.md"
UPLOADED = (
    *("*.safetensors", "*.gguf", "*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt", "*.py"),
    *("*.svg", CARD, "LICENSE*", "NOTICE*"),
)
KEPT_HERE = ("checkpoint.json", "optimizer.safetensors", ".*", "*/.*")
"""Files that say where a checkpoint lay, and what serves training alone."""


@frozen(kw_only=True)
class Published:
    """A folder that is on the hub, or ready for it."""

    folder: Path
    repository: str
    url: str | None
    """None where it was not uploaded."""
    reason: str | None = None
    """The reason for no upload."""

    @property
    def command(self) -> str:
        """The command that uploads the folder."""
        left_out = " ".join(f"--exclude '{pattern}'" for pattern in KEPT_HERE)
        return f"hf upload {self.repository} {self.folder} . {left_out}"


def publish(
    folder: str | Path,
    repository: str,
    *,
    run: str | Path | None = None,
    evals: str | Path | None = None,
    public: bool = False,
    upload: bool = True,
) -> Published:
    """Upload an adapter, a merged model or a GGUF file, with the card of the run that made it.

    Where the hub cannot be reached, the folder is ready to upload: it has its card.

    Args:
        folder: What `export-adapter`, `merge` or `gguf` wrote.
        repository: Its name on the hub: user/name.
        run: The run's folder, for the card. Without it the folder keeps the card that it has.
        evals: A folder of `tinker-evals` with the scores to show.
        public: Let everybody see a new repository.
        upload: Reach for the hub; else the folder is made ready, and no more.
    """
    place = Path(folder).expanduser()
    if not is_hub_name(repository):
        raise ConfigError(f"{repository!r} is no name on the hub: expected user/name")
    contents = contents_of(place)
    if contents == "adapter":
        _check_base(place)
    if run is not None:
        directory = read_run(Path(run).expanduser())
        made = make_card(directory, contents, repository=repository, evals=evals)
        write_card(made, place / CARD)
    elif not (place / CARD).is_file():
        raise ConfigError(f"{place} has no {CARD}: name the run that it comes from with --run")
    if not upload:
        return Published(folder=place, repository=repository, url=None, reason="as told")
    return _upload(place, repository, public=public)


def _check_base(folder: Path) -> None:
    """Nobody else has the folders of this machine."""
    base = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not base or not is_hub_name(str(base)):
        raise ConfigError(
            f"{folder / CONFIG} names {base!r} as its base model, which nobody else can load: "
            "export it again with --base and the name on the hub"
        )


def _upload(folder: Path, repository: str, *, public: bool) -> Published:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi()
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=[*UPLOADED],
            ignore_patterns=[*KEPT_HERE],
            commit_message="Upload with tinker-weights",
        )
    except LocalTokenNotFoundError as error:
        raise ConfigError("no token for the hub: log in with `hf auth login`") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = ": log in with `hf auth login`" if status in (401, 403) else ""
        raise ConfigError(f"the hub refused {repository} (status {status}){advice}") from error
    except Exception as error:
        if not _is_of_the_network(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        return Published(folder=folder, repository=repository, url=None, reason=reason)
    return Published(folder=folder, repository=repository, url=str(done.commit_url))


def _is_of_the_network(error: BaseException | None) -> bool:
    """True if the hub was not reached. Its client changes the HTTP library with versions."""
    if error is None:
        return False
    libraries = ("httpx", "httpcore", "requests", "urllib3")
    is_its_own = isinstance(error, OSError) or type(error).__module__.startswith(libraries)
    return is_its_own or _is_of_the_network(error.__cause__)
