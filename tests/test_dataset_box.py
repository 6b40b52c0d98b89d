"""The box for the dataset's name: answers that come late take nothing from what was typed or chosen."""

from __future__ import annotations

import pytest

from studio.ui import dataset_box
from studio.ui.dataset_box import DatasetBox


def test_a_name_that_was_typed_over_a_late_answer_is_meant() -> None:
    box = DatasetBox()
    assert box.meant("", "typed") == ""  # nothing was put there: it was emptied by hand
    box.put("")
    assert box.meant("", "typed") == "typed"
    assert box.meant("more", "typed") == "more"
    assert box.meant("", "") == ""


def test_a_late_answer_in_the_place_of_what_was_chosen_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    box = DatasetBox()
    box.put("before")
    box.choose()
    assert box.was_overtaken("before")
    assert not box.was_overtaken("before")
    box.choose()
    assert not box.was_overtaken("chosen")
    monkeypatch.setattr(dataset_box, "_ON_ITS_WAY", -1.0)
    box.choose()  # long after the answer
    assert not box.was_overtaken("before")
    assert box.meant("before", "typed") == "before"
