"""Configs to plain data and back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest
from attrs import field, frozen, validators

from tinker_core import ConfigError
from tinker_train import Adam, Cadence, Every, Never, from_plain, read_config_file, to_plain
from tinker_train.config.serialization import differences


class Builder(Protocol):
    """A port."""

    def build(self) -> int: ...


@frozen(kw_only=True)
class Seven:
    """Fills the port."""

    path: Path
    times: int = field(default=1, validator=validators.ge(1))

    def build(self) -> int:
        return 7 * self.times


@frozen(kw_only=True)
class Config:
    """Everything that a config may hold."""

    builder: Builder
    adam: Adam = field(factory=Adam)
    every: Cadence = field(factory=Never)
    limit: int | None = None
    pair: tuple[float, float] = (1.0, 2.0)
    backup: Builder | None = None


def through_json(config):
    return from_plain(json.loads(json.dumps(to_plain(config))))


@pytest.mark.parametrize(
    "config",
    [
        Config(builder=Seven(path=Path("a/b"))),
        Config(
            builder=Seven(path=Path("a"), times=3),
            adam=Adam(learning_rate=0.1, betas=(0.5, 0.6)),
            every=Every(steps=4),
            limit=9,
            backup=Seven(path=Path("c")),
        ),
    ],
)
def test_a_config_comes_back_equal_with_the_classes_that_it_had(config):
    assert through_json(config) == config


def test_the_file_says_which_classes_stand_behind_unions_and_ports():
    plain = to_plain(Config(builder=Seven(path=Path("a")), every=Every(steps=2)))
    assert plain["every"] == {"type": "tinker_train.config.cadence:Every", "steps": 2}
    assert plain["builder"]["type"].endswith(":Seven")


def test_a_value_that_the_class_refuses_is_named():
    plain = to_plain(Config(builder=Seven(path=Path("a"))))
    plain["builder"]["times"] = 0
    with pytest.raises(ConfigError, match="times"):
        from_plain(plain)


def test_a_field_that_the_class_does_not_have_is_an_error():
    plain = to_plain(Adam())
    with pytest.raises(ConfigError, match="momentum"):
        from_plain({**plain, "momentum": 0.9})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("no_such_module:Config", "no_such_module"),
        ("tinker_train:NoSuchClass", "NoSuchClass"),
        ("tinker_train:to_plain", "not an attrs class"),
        ("os:system", "not an attrs class"),
        (3, "needs a 'type'"),
    ],
)
def test_a_class_that_is_none_of_ours_is_an_error_that_names_it(name, problem):
    with pytest.raises(ConfigError, match=problem):
        from_plain({"type": name})


def test_a_class_of_a_script_is_found_by_others(tmp_path):
    (tmp_path / "lesson.py").write_text(
        "from attrs import frozen\n"
        "from tinker_train import from_plain, to_plain\n"
        "@frozen\n"
        "class Lesson:\n"
        "    words: int = 3\n"
        "if __name__ == '__main__':\n"
        "    assert from_plain(to_plain(Lesson(4))) == Lesson(4)\n"
        "    print(to_plain(Lesson(4))['type'])\n"
    )
    for command in (["lesson.py"], ["-m", "lesson"]):
        said = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert said.stdout.strip() == "lesson:Lesson"
    other = "from tinker_train import from_plain; print(from_plain({'type': 'lesson:Lesson'}))"
    said = subprocess.run(
        [sys.executable, "-c", other], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == "Lesson(words=3)"


def test_differences_are_named_by_their_path():
    a = to_plain(Config(builder=Seven(path=Path("a"))))
    b = to_plain(Config(builder=Seven(path=Path("a")), adam=Adam(eps=0.5), limit=3))
    assert differences(a, b) == ["adam.eps: 1e-12 != 0.5", "limit: None != 3"]
    assert differences(a, a) == []


def test_a_file_that_a_person_wrote_needs_no_class_names(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(
        'every = "20 steps"\n[adam]\nlearning_rate = 0.5\n'
        f'[builder]\ntype = "{__name__}:Seven"\npath = "a"\n'
    )
    expected = Config(
        builder=Seven(path=Path("a")), adam=Adam(learning_rate=0.5), every=Every(steps=20)
    )
    assert read_config_file(file, Config) == expected
    again = tmp_path / "config.json"
    again.write_text(json.dumps({"seed": 0, "config": to_plain(expected)}))  # as a run has it
    assert read_config_file(again, Config) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "adam = {learning_rate = -1}",
            r"config.toml: .*learning_rate must be a finite number",
        ),
        ("x = ", "config.toml cannot be read"),
        ('every = "sometimes"', "config.toml: .*invalid cadence 'sometimes'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, text, problem):
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        read_config_file(file, Config)
