"""The shipped library: whole, varied, small, and split as ParaFace splits its kinds."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pytest

from ofer_bench.api import OccluderError
from ofer_bench.data.paraface.part import FOOD, PROPS, SEEN_PROPS, UNSEEN_PROPS
from ofer_occluders import library_cutouts
from ofer_occluders.library_cutouts import Entry, entries, entry_named, kinds, library_cutout

LIBRARY = files("ofer_occluders") / "library"


def test_library_is_large_enough_and_small_enough() -> None:
    assert len(entries()) >= 120 and len(kinds()) >= 12
    assert len({entry.name for entry in entries()}) == len(entries())
    sizes = [len(item.read_bytes()) for item in LIBRARY.iterdir()]
    assert max(sizes) < 2**20 and sum(sizes) < 4 * 2**20


def test_every_file_is_the_indexed_one_and_none_is_left_over() -> None:
    expected = {}
    for entry in entries():
        expected[f"{entry.name}.png"] = entry.sha256
        if entry.skin not in ("none", "all"):
            expected[f"{entry.name}.skin.png"] = entry.skin
    found = {i.name: hashlib.sha256(i.read_bytes()).hexdigest() for i in LIBRARY.iterdir() if i.name.endswith(".png")}
    assert found == expected


def test_seen_and_unseen_are_those_of_paraface() -> None:
    assert set(kinds(seen=False)) == set(UNSEEN_PROPS)
    assert set(kinds(seen=True)) <= set(SEEN_PROPS) | set(FOOD)
    assert not set(FOOD) & set(PROPS)
    assert not set(kinds(seen=True)) & set(kinds(seen=False))


@pytest.mark.parametrize("kind", kinds())
def test_cutouts_of_a_kind_are_tight_shaded_and_varied(kind: str) -> None:
    same = [entry for entry in entries() if entry.kind == kind]
    for entry in same:
        # Placing adds an empty border of 8 px.
        look = np.asarray(library_cutout(entry.name).levels[0].look)[8:-8, 8:-8]
        colour, alpha = look[..., :3], look[..., 3]
        assert 150 <= max(alpha.shape) <= 288
        assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
        # Exact coverage along the edges, light and shade within.
        assert len(np.unique(alpha)) > 8
        assert colour[alpha == 255].std(axis=0).max() > 4
    assert len(same) >= 5 and len({entry.sha256 for entry in same}) == len(same)


def test_hands_have_many_skins() -> None:
    light = [
        cutout.skin.mean[0]
        for entry in entries()
        if entry.kind == "hand" and (cutout := library_cutout(entry.name)).skin is not None
    ]
    assert len(light) >= 30 and max(light) - min(light) > 25


def test_held_things_mark_the_hand_alone() -> None:
    for name in ("cup-01", "bottle-02", "microphone-03"):
        cutout = library_cutout(name)
        inside = np.asarray(cutout.levels[0].alpha) > 250
        marked = (np.asarray(cutout.levels[0].skin) > 0)[inside].mean()
        assert cutout.mixed and 0.15 < marked < 0.95


def test_damage_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OccluderError, match="no cut-out"):
        entry_named("sofa-01")
    damaged: Entry = entries()[0]
    library_cutout.cache_clear()
    monkeypatch.setattr(library_cutouts, "_read", lambda name: b"other bytes")
    with pytest.raises(OccluderError, match="damaged"):
        library_cutout(damaged.name)
