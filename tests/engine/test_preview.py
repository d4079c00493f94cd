"""One face under every occluder, those among them that go by no ratio, fail, or have nothing to go by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ofer_bench.core.errors import OccluderError
from ofer_bench.core.types import Card, Occlusion
from ofer_bench.engine.notebook import is_trained
from ofer_bench.engine.occlude_files import OcclusionJob, occlude_files
from ofer_bench.engine.occluded_folder import OccludedFolder, find_sources
from ofer_bench.engine.preview import ANY_RATIO, RATIOS, PreviewRow, preview_rows
from ofer_bench.engine.progress import Silent
from ofer_bench.plugins.discovery import registry
from ofer_bench.plugins.protocols import OcclusionRequest
from ofer_bench.store.artefacts import Store
from tests.conftest import toy_faces


class OwnSize:
    """Occludes the left half, whatever is asked."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        mask = np.zeros(image.shape[:2], dtype=bool)
        mask[:, : image.shape[1] // 2] = True
        return Occlusion(params={}, mask=mask, ratio=0.5)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        return np.where(occlusion.mask[..., None], np.uint8(0), image)


class AnyOnly(OwnSize):
    """Refuses every ratio but that of no demand."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        if request.ratio != ANY_RATIO:
            raise OccluderError("has a size of its own", hint="ask for 0 to 1")
        return super().sample(image, request, rng)


class Never(OwnSize):
    """Fails as a foreign plugin may."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        raise ZeroDivisionError("no face\nat all")


class Small(OwnSize):
    """Reaches small ratios only."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        if request.ratio[1] > 0.2:
            raise OccluderError("is too small for that")
        mask = np.zeros(image.shape[:2], dtype=bool)
        mask[: round(request.ratio[1] * image.shape[0])] = True
        return Occlusion(params={}, mask=mask, ratio=float(mask.mean()))


def card(name: str, *capability: str) -> Card:
    return Card(id=name.lower(), kind="occluder", version="1", title=name, load=f"{__name__}:{name}",
                capability=capability)  # fmt: skip


@pytest.fixture
def face(tmp_path: Path) -> Path:
    Image.fromarray(toy_faces(1, size=64).image[0]).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def rows(face: Path, *cards: Card) -> list[PreviewRow]:
    told: list[tuple[float, float]] = []
    _, made = preview_rows(
        face,
        cards,
        size=56,
        patch_size=4,
        seed=0,
        relevance="train it first",
        advance=lambda done, total, _: told.append((done, total)),
    )
    assert told == [(n, len(cards)) for n in range(1, len(cards) + 1)]
    return made


def test_an_occluder_of_its_own_size_is_shown_once(face: Path) -> None:
    for row in rows(face, card("OwnSize"), card("AnyOnly")):
        assert [cell.ratio for cell in row.cells] == [ANY_RATIO]
        assert row.cells[0].mask is not None and row.cells[0].mask.mean() == 0.5


def test_failures_take_no_other_picture_away(face: Path) -> None:
    never, small, blind = rows(face, card("Never"), card("Small"), card("Small", "relevance"))
    assert "ZeroDivisionError: no face" in never.absent and "at all" not in never.absent
    assert [cell.image is not None for cell in small.cells] == [True, True, False, False, False, False]
    assert small.cells[2].problem == "is too small for that"
    assert (blind.cells, blind.absent) == ((), "train it first")


def test_a_cell_is_what_occlude_makes_of_the_file(face: Path, tmp_path: Path) -> None:
    known = registry().card("random-patch")
    (row,) = rows(face, known)
    job = OcclusionJob(card=known, ratio=RATIOS[2], size=56, patch_size=4, seed=0)
    with OccludedFolder(tmp_path / "out") as folder:
        folder.finish(occlude_files(job, find_sources(face, tmp_path / "out"), folder, Silent()))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "image" / "face.png")), row.cells[2].image)


def test_a_reference_counts_as_trained_when_every_stage_is_stored(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_trained("resnet18", "smoke", "cpu")
    kinds: set[str] = set()
    monkeypatch.setattr(Store, "find", lambda self, kind, key: kinds.add(kind) or True)
    assert is_trained("resnet18", "smoke", "cpu")
    assert kinds == {"split", "train"}
    monkeypatch.setattr(Store, "find", lambda self, kind, key: kind != "train")
    assert not is_trained("resnet18", "smoke", "cpu")
