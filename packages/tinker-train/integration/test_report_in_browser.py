"""The report works in a real browser, from disk, without a server. Needs `chromium` on the path.

The browser loads the page with a script behind it, which acts as a person would and writes what it
finds into the page's title.
"""

import json
import re
import subprocess
from html import unescape

import pytest

from tinker_train import Adam, create_run, write_report
from tinker_train.files import append_row
from tinker_train.metrics.distributions import append_distribution

EVIL = "</script><img src=x onerror=\"document.title='broken'\"><script>document.title='broken'"
HANDS = """
const chart = [...document.querySelectorAll(".chart")].find(
  (chart) => chart.querySelector(".name").textContent === "train/nll");
const picture = chart.querySelector("svg");
function point(kind, part) {
  const box = picture.getBoundingClientRect();
  const [clientX, clientY] = [box.left + box.width * part, box.top + box.height / 2];
  picture.dispatchEvent(new PointerEvent(kind, {clientX, clientY, bubbles: true}));
}
const lines = [...picture.querySelectorAll("polyline")];
const seen = () => [...picture.querySelectorAll("polyline")].map(
  (line) => line.getAttribute("points").split(" ").filter(Boolean).length);
"""


@pytest.fixture
def page(tmp_path):
    """Two runs of 41 and 21 steps, of which the second says nasty things."""
    for name, steps, said in (("one", 41, "7"), ("two", 21, EVIL)):
        run = create_run(tmp_path / name, Adam(), engine=said, seed=0)
        for step in range(steps):
            row = {"step": step, "train/nll": 3.0 - step / 20, said: 1.0, "time/step": 0.5}
            append_row(run.metrics_file, row)
            rewards = [1.0] * step + [0.0] * (41 - step)
            append_distribution(run.distributions_file, step, "train/reward", rewards)
        run.transcripts.mkdir()
        append_row(run.transcripts / "000001.jsonl", {"reply": said, said: [said]})
    write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "report.html")
    return tmp_path / "report.html"


@pytest.fixture
def found(page, tmp_path):
    """What an expression is worth in the page."""

    def evaluate(expression, before=""):
        answer = f"document.title = JSON.stringify({expression})"
        script = f"<script>{{{HANDS}{before}; {answer}}}</script>"
        acted = tmp_path / "acted.html"
        acted.write_text(page.read_text().replace("</body>", f"{script}</body>"))
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += ["--virtual-time-budget=2000", "--window-size=1400,900", acted.as_uri()]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        title = re.search(r"<title>(.*?)</title>", ran.stdout)
        return json.loads(unescape(title[1]))

    return evaluate


def test_the_curves_of_all_runs_are_drawn_over_each_other(found):
    assert found("seen()") == [41, 21]
    assert found("lines.map((line) => line.getBBox().height > 20)") == [True, True]
    assert len(set(found("lines.map((line) => line.getAttribute('stroke'))"))) == 2


def test_a_drag_shows_the_steps_that_it_went_over_and_a_double_click_shows_all(found):
    drag = "point('pointerdown', .5); point('pointermove', .6); point('pointerup', .75)"
    one, two = found("seen()", drag)
    assert 5 < one < 15
    assert two < 5
    again = "; picture.dispatchEvent(new MouseEvent('dblclick'))"
    assert found("seen()", drag + again) == [41, 21]


def test_pointing_at_a_step_tells_its_values(found):
    told = found("chart.querySelector('.value').textContent", "point('pointermove', .98)")
    assert told.split() == ["one:", "1", "at", "40", "two:", "2", "at", "20"]


def test_histograms_are_drawn_and_tell_their_counts(found):
    drawn = """[...document.querySelectorAll(".chart")].find((chart) =>
      chart.querySelector(".name").textContent === "train/reward, histogram: one")"""
    opaque = f"""[...{drawn}.querySelectorAll("rect[fill-opacity]")].map((cell) =>
      [+cell.getAttribute("y"), +cell.getAttribute("fill-opacity")])"""
    cells = found(opaque)
    assert len(cells) == 41 + 40  # zeros in each step, ones in all but the first
    upper = [share for y, share in cells if y < 100]  # ones are above zeros
    assert upper == sorted(upper)
    assert upper[-1] == pytest.approx(40 / 41)
    point = f"""const column = [...{drawn}.querySelectorAll("rect:not([fill-opacity])")][10];
      column.dispatchEvent(new PointerEvent("pointermove", {{bubbles: true}}))"""
    told = found(f"{drawn}.querySelector('.value').textContent", point)
    assert told == "step 10: 31 of 0, 10 of 1"


def test_what_runs_say_is_shown_and_not_obeyed(found):
    assert found("document.title") == "one, two"
    assert found("document.images.length") == 0
    assert EVIL in found("document.querySelector('#transcripts').textContent")
    names = "[...document.querySelectorAll('.name')].map((name) => name.textContent)"
    assert EVIL in found(names)


def test_the_page_asks_nobody_for_anything_and_could_not(found):
    assert found("performance.getEntriesByType('resource').length") == 0
    blocked = """
    let blocked = 0;
    addEventListener("securitypolicyviolation", () => { blocked += 1; answer(); });
    function answer() { document.title = blocked; }
    document.body.append(Object.assign(new Image(), {src: "https://example.com/x.png"}))"""
    assert found("0", blocked) == 1
