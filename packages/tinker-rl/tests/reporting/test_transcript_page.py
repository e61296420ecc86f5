"""The page of transcripts: escaped, with a histogram of rewards."""

import asyncio
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tinker_rl import EnvironmentFailed, TrajectoryGroup, Transcripts, Transition


class Texts(HTMLParser):
    """What a browser would show, and the tags that it would make."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "a & b"])
def test_no_text_breaks_out_of_the_page(
    evil: str, turn: Any, trajectory: Any, tmp_path: Path
) -> None:
    plain = turn([1], [2, 3])
    logged = Transition(
        observation=plain.observation, action=plain.action, logs={evil: evil}, metrics={evil: 1.0}
    )
    episode = trajectory(logged, stop=EnvironmentFailed(evil))
    group = TrajectoryGroup(
        trajectories=(episode,), group_rewards=[0.0], group_metrics=({},), tags=(evil,)
    )
    writer = Transcripts(run_dir=tmp_path, groups=1, decode=lambda tokens: evil * len(tokens))
    asyncio.run(writer.write("train", 0, [group]))
    page = Texts()
    page.feed((tmp_path / "logtree" / "train-000000.html").read_text())
    assert not page.tags & {"script", "img"}
    assert page.text.count(evil) >= 6
    assert page.titles == ["token 2; sampler -0.020", "token 3; sampler -0.030"]


def test_the_page_shows_how_the_rewards_of_the_whole_batch_are_spread(
    group: Any, tmp_path: Path
) -> None:
    asyncio.run(
        Transcripts(run_dir=tmp_path, groups=1).write("train", 0, [group(0, 0, 1), group(0, 4)])
    )
    html = (tmp_path / "logtree" / "train-000000.html").read_text()
    # 0 0 0 | 1 | 4 in three bins of width 4/3
    bins = [(0, "1.33", 4), ("1.33", "2.67", 0), ("2.67", 4, 1)]
    for low, high, count in bins:
        assert f"<td>{low} to {high}</td><td>{count}</td>" in html
