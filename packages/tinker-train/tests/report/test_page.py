"""Runs as a page."""

import json
import re

import pytest
from attrs import evolve

from tinker_core import RunDirectoryError
from tinker_train import Adam, write_report
from tinker_train.files import append_row
from tinker_train.metrics.distributions import append_distribution
from tinker_train.report.page import find_runs, settings_table, summarise, time_table


def curves_of(page):
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return {curve["name"]: curve for curve in json.loads(data[1])}


def test_curves_of_several_runs_lie_over_each_other(make_run, tmp_path):
    one = make_run("one", Adam(), [3.0, 2.0], **{"time/step": 0.5})
    two = make_run("two", Adam(eps=0.5), [3.0, 2.5, 2.0])
    to = tmp_path / "report.html"
    write_report([one.path, two.path], to)
    curves = curves_of(to.read_text())
    assert [run["name"] for run in curves["train/nll"]["runs"]] == ["one", "two"]
    assert curves["train/nll"]["runs"][1]["points"] == [[0, 3.0], [1, 2.5], [2, 2.0]]
    assert curves["train/nll"]["group"] == "train"
    assert curves["time/step"]["runs"][1]["points"] == []


def test_distributions_become_histograms(make_run, tmp_path):
    run = make_run("one", Adam(), [1.0])
    append_distribution(run.distributions_file, 1, "train/reward", [0.0, 1.0, 1.0])
    write_report([run.path], tmp_path / "report.html")
    (picture,) = [
        picture
        for name, picture in curves_of((tmp_path / "report.html").read_text()).items()
        if "histogram" in name
    ]
    assert picture["bins"] == ["0", "1"]
    assert picture["columns"] == [[1, 1, [1, 2]]]


def test_a_page_needs_nothing_from_elsewhere(make_run, tmp_path):
    to = tmp_path / "report.html"
    write_report([make_run("one", Adam(), [1.0]).path], to)
    page = to.read_text().replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert not re.search(r"""(src|href)\s*=|https?://|@import|url\(""", page)


def test_settings_in_which_runs_differ_are_marked(make_run):
    runs = [make_run("one", Adam(), [1.0]), make_run("two", Adam(eps=0.5), [1.0])]
    rows = {
        name: (values, differs)
        for name, values, differs in settings_table([summarise(run.path) for run in runs])
    }
    assert rows["eps"] == (["1e-12", "0.5"], True)
    assert rows["weight_decay"] == (["0.0", "0.0"], False)


def test_times_are_means(make_run):
    run = make_run("one", Adam(), [1.0])
    append_row(run.metrics_file, {"step": 1, "time/step": 1.0})
    append_row(run.metrics_file, {"step": 2, "time/step": 2.0})
    assert time_table([summarise(run.path)]) == [("time/step", [1.5])]


def test_what_models_said_is_shown_and_cannot_run(make_run, tmp_path):
    run = make_run("one", Adam(), [1.0])
    run.transcripts.mkdir()
    evil = "</script><script>alert(1)</script>"
    append_row(run.transcripts / "step-1.jsonl", {"answer": evil, "messages": [{"text": evil}]})
    append_row(run.metrics_file, {"step": 1, evil: 1.0})
    to = tmp_path / "report.html"
    write_report([run.path], to)
    page = to.read_text()
    assert "alert(1)" in page
    assert page.count("<script") == 2  # the data and the drawing, and no third


def test_two_runs_of_one_name_are_told_apart_by_their_paths(make_run, tmp_path):
    one = make_run("a/run", Adam(), [1.0])
    two = make_run("b/run", Adam(), [1.0])
    to = tmp_path / "report.html"
    write_report([one.path, two.path], to)
    names = [run["name"] for run in curves_of(to.read_text())["train/nll"]["runs"]]
    assert names == [str(one.path), str(two.path)]


def test_a_report_about_nothing_is_an_error(tmp_path):
    with pytest.raises(RunDirectoryError, match="at least one run"):
        write_report([], tmp_path / "report.html")
    with pytest.raises(RunDirectoryError, match="holds no run"):
        write_report([tmp_path], tmp_path / "report.html")


def test_runs_are_found_below_a_folder(make_run, tmp_path):
    one, two = make_run("deep/one", Adam(), []), make_run("two", Adam(), [])
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")  # a model's, and no run
    assert find_runs(tmp_path) == [one.path, two.path]
    with pytest.raises(RunDirectoryError, match="is not a folder"):
        find_runs(tmp_path / "none")


def test_a_run_is_complete_when_its_last_checkpoint_says_so(make_run):
    summary = summarise(make_run("one", Adam(), [1.0]).path)
    assert summary.state == "not complete"
    assert evolve(summary, metrics=[]).step == 0
