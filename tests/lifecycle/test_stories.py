"""Every lifecycle on a virtual clock: its trace, on fifty schedules, and struck at every checkpoint."""

from __future__ import annotations

import pytest

from actors.testing import Story, cancel_everywhere, run_story
from tests.lifecycle.stories import STORIES

each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@each_story
def test_trace_on_fifty_schedules(story: Story) -> None:
    for _ in range(50):
        run_story(story)


@each_story
def test_cancelled_everywhere(story: Story) -> None:
    report = cancel_everywhere(story, "cancel")
    print(report)
    assert not report.leftovers, str(report)
    assert report.checkpoints > 20


@each_story
def test_raised_everywhere(story: Story) -> None:
    report = cancel_everywhere(story, "raise")
    print(report)
    assert not report.leftovers, str(report)
    assert report.checkpoints > 20
