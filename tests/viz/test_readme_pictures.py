"""The pictures in the README are what the code draws today."""

import pytest

from .readme_pictures import FOLDER, PICTURES


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_the_pictures_of_the_readme_are_current(name):
    kept = (FOLDER / name).read_text(encoding="utf-8")
    assert kept == PICTURES[name]() + "\n", "run: python -m tests.viz.readme_pictures"
    assert len(kept) < 100_000
