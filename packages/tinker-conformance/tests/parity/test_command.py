"""Parity of two servers: an engine with itself, with a broken one, and with another model."""

from __future__ import annotations

import argparse
import json

import pytest

from tinker_conformance import cli
from tinker_conformance.parity.command import parity


def options(a, b, *more, model="local/tiny"):
    keys = ("--key-a", a.api_key, "--key-b", b.api_key)
    servers = ("--a", a.base_url, "--b", b.base_url, "--model", model)
    arguments = ("parity", *servers, *keys, "--steps", "2", "--batch", "2", *more)
    parsed: argparse.Namespace = cli._parser().parse_args(arguments)
    return parsed


@pytest.mark.parametrize("loss", ["cross_entropy", "ppo"])
def test_two_engines_of_one_kind_do_not_differ(healthy, breakable, loss, tmp_path, capsys):
    file = tmp_path / "parity.json"
    chosen = options(healthy, breakable, "--loss", loss, "--json", str(file))
    assert parity(chosen) == 0
    rows = json.loads(file.read_text())["rows"]
    assert [(row["step"], row["quantity"]) for row in rows] == [
        (step, quantity)
        for step in (0, 1)
        for quantity in ("loss per token", "gradient norm", "mean logprob")
    ]
    assert max(row["difference"] for row in rows) < 1e-4
    assert "6 of 6 quantities within tolerance" in capsys.readouterr().out


def test_a_text_is_trained_on(healthy, breakable, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 3)
    assert parity(options(healthy, breakable, "--text", str(text))) == 0
    text.write_text("")
    with pytest.raises(ValueError, match="too little text"):
        parity(options(healthy, breakable, "--text", str(text)))


def test_a_server_that_computes_otherwise_lies_beyond(healthy, breakable, monkeypatch, capsys):
    from defects.loss import the_loss_is_a_mean

    the_loss_is_a_mean.patch(monkeypatch)
    assert parity(options(healthy, breakable)) == 1
    assert "beyond" in capsys.readouterr().out


def test_a_tolerance_can_be_given(healthy, breakable, monkeypatch, capsys):
    from defects.loss import the_loss_is_a_mean

    the_loss_is_a_mean.patch(monkeypatch)
    assert parity(options(healthy, breakable, "--loss-tolerance", "100")) == 0
