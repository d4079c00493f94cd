"""Occluding files and making them again: whatever the order, the threads, the process."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ofer_bench.core.errors import OccluderError, SpecError
from ofer_bench.core.types import Occlusion
from ofer_bench.engine import occlude_files as module
from ofer_bench.engine.occlude_files import OcclusionJob, occlude_files
from ofer_bench.engine.occluded_folder import OccludedFolder, Source, check_apart, find_sources, result_files
from ofer_bench.engine.progress import Silent
from ofer_bench.engine.replay_files import Verdict, moved, replay_files
from ofer_bench.occlusion.manifest import ManifestRow, read_manifest
from ofer_bench.plugins.discovery import load_class, registry
from ofer_bench.plugins.protocols import RELEVANCE, OcclusionRequest
from tests.conftest import toy_faces

CARDS = {entry.card.id: entry.card for entry in registry().of_kind("occluder")}
NAMES = ["a.png", "b.png", "sub/a.png", "sub/deep/c.png", "z.png"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for name, image in zip(NAMES, toy_faces(len(NAMES), size=72).image, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / name)
    return root


def brightness(image: np.ndarray) -> np.ndarray:
    """Stands for what a classifier looks at."""
    return image.reshape(14, 4, 14, 4, 3).mean(axis=(1, 3, 4)).astype(np.float32)


@cache
def ratio_of(occluder: str) -> tuple[float, float]:
    """Ratios to ask for: some occluders have a size of their own, and take any."""
    image = toy_faces(1, size=56).image[0]
    for ratio in ((0.1, 0.2), (0.3, 0.4)):
        request = OcclusionRequest(ratio=ratio, patch_size=4, fill=(1, 2, 3), relevance=brightness(image))
        try:
            load_class(CARDS[occluder])().sample(image, request, np.random.default_rng(0))
        except OccluderError:
            return (0.0, 1.0)
    return (0.1, 0.5)


def job(occluder: str = "random-patch", seed: int = 0, **changes: object) -> OcclusionJob:
    card = CARDS[occluder]
    relevance = brightness if RELEVANCE in card.capability else None
    values = {"ratio": ratio_of(occluder), "size": 56, "patch_size": 4, "seed": seed, **changes}
    return OcclusionJob(card=card, relevance=relevance, **values)  # type: ignore[arg-type]


def occluded(root: Path, out: Path, asked: OcclusionJob, workers: int = 1, shuffle: int = 0) -> list[ManifestRow]:
    sources = find_sources(root, out)
    random.Random(shuffle).shuffle(sources)
    with OccludedFolder(out) as folder:
        rows = occlude_files(asked, sources, folder, Silent(), workers)
        folder.finish(rows)
    return rows


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@settings(max_examples=10, deadline=None)
@given(
    occluder=st.sampled_from(sorted(CARDS)),
    seed=st.integers(0, 2**40),
    workers=st.integers(1, 4),
    order=st.integers(),
    kept=st.sets(st.sampled_from(range(len(NAMES))), min_size=1),
    suffix=st.sampled_from(["csv", "parquet"]),
)
def test_neither_order_nor_threads_nor_company_change_a_bit(
    occluder: str,
    seed: int,
    workers: int,
    order: int,
    kept: set[int],
    suffix: str,
    pictures: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    base = tmp_path_factory.mktemp("out")
    first = occluded(pictures, base / "one", job(occluder, seed))
    occluded(pictures, base / "two", job(occluder, seed), workers, order)
    assert contents(base / "one") == contents(base / "two")
    # The manifest in any order, cut to any part.
    rows = read_manifest(base / "one" / f"manifest.{suffix}")
    assert rows == sorted(first, key=lambda row: row.sample_id)
    part = [rows[i] for i in kept]
    random.Random(order).shuffle(part)
    with OccludedFolder(base / "again") as folder:
        made = replay_files(part, pictures, folder, Silent(), workers)
        folder.finish([each.row for each in made])
    assert {each.verdict for each in made} == {Verdict.same}
    before, after = contents(base / "one"), contents(base / "again")
    for row in part:
        for kind in ("image", "mask"):
            assert after[f"{kind}/{row.file}"] == before[f"{kind}/{row.file}"]


def test_another_process_makes_and_verifies_the_same_bits(pictures: Path, tmp_path: Path) -> None:
    calls = {}
    for occluder, card in CARDS.items():
        here = tmp_path / occluder / "here"
        occluded(pictures, here, job(occluder, 7))
        low, high = map(str, ratio_of(occluder))
        options = ["--occluder", occluder, "--ratio", low, high, "--size", "56", "--seed", "7"]
        replayed, there = tmp_path / occluder / "replayed", tmp_path / occluder / "there"
        calls[replayed] = ["--from-manifest", str(here / "manifest.csv"), str(pictures), str(replayed)]
        if RELEVANCE not in card.capability:
            calls[there] = [str(pictures), str(there), *options]
    code = (
        "import json, sys\nfrom ofer_bench.cli.main import app\n"
        "for call in json.loads(sys.argv[1]): app(['occlude', *call], standalone_mode=False)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4242", "OFER_BENCH_STORE": str(tmp_path / "store")}
    command = [sys.executable, "-c", code, json.dumps(list(calls.values()))]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    for other in calls:
        found = contents(other)
        assert found.pop("sheet.png")
        assert found == contents(other.parent / "here")


def test_a_replay_draws_nothing(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ofer_occluders.random_patch import RandomPatch

    rows = occluded(pictures, tmp_path / "out", job())

    def never(*args: object) -> Occlusion:
        raise AssertionError("sampled")

    monkeypatch.setattr(RandomPatch, "sample", never)
    with OccludedFolder(tmp_path / "again") as folder:
        made = replay_files(rows, pictures, folder, Silent())
    assert [each.verdict for each in made] == [Verdict.same] * len(NAMES)


def test_every_row_that_does_not_match_says_why(pictures: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in NAMES:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((pictures / name).read_bytes())
    rows = {row.sample_id: row for row in occluded(pictures, tmp_path / "out", job())}
    (copy / "a.png").unlink()
    Image.fromarray(toy_faces(1, size=72, seed=9).image[0]).save(copy / "b.png")
    (copy / "sub/a.png").write_bytes(b"no image")
    # The same pixels in another file are the same picture.
    Image.open(pictures / "sub/deep/c.png").save(copy / "sub/deep/c.png", compress_level=1)
    rows["z.png"] = rows["z.png"].model_copy(update={"params": {**rows["z.png"].params, "patches": [1, 2]}})
    with OccludedFolder(tmp_path / "again") as folder:
        made = {each.row.sample_id: each for each in replay_files(list(rows.values()), copy, folder, Silent())}
        folder.finish([each.row for each in made.values()])
    assert {name: each.verdict for name, each in made.items()} == {
        "a.png": Verdict.missing,
        "b.png": Verdict.differs,
        "sub/a.png": Verdict.differs,
        "sub/deep/c.png": Verdict.same,
        "z.png": Verdict.failed,
    }
    assert "another picture" in made["b.png"].problem
    assert "not an image" in made["sub/a.png"].problem
    assert "makes another image" in made["z.png"].problem
    assert [p.name for p in (tmp_path / "again" / "image").rglob("*.png")] == ["c.png"]
    status = {row.sample_id: row.status for row in read_manifest(tmp_path / "again" / "manifest.parquet")}
    assert status == {name: "ok" if name == "sub/deep/c.png" else "failed" for name in NAMES}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask_digest": "0" * 24}, "mask is not the one"),
        ({"mask": "aGVsbG8="}, "no 1-bit PNG"),
        ({"image_digest": "0" * 24, "occluder_version": "0"}, "made by version 0, here is"),
    ],
)
def test_a_manifest_that_was_changed_is_found_out(
    change: dict[str, str], message: str, pictures: Path, tmp_path: Path
) -> None:
    rows = occluded(pictures, tmp_path / "out", job())
    with OccludedFolder(tmp_path / "again") as folder:
        made = replay_files([rows[0].model_copy(update=change)], pictures, folder, Silent())
    assert made[0].verdict == Verdict.failed
    assert message in made[0].problem


def test_a_stopped_call_leaves_what_was(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    occluded(pictures, out, job())
    before = contents(out)
    real, calls = module.decode_image, []

    def stopping(path: Path, size: int) -> np.ndarray:
        calls.append(path)
        if len(calls) > len(NAMES) + 2:
            raise KeyboardInterrupt
        return real(path, size)

    monkeypatch.setattr(module, "decode_image", stopping)
    with pytest.raises(KeyboardInterrupt):
        occluded(pictures, out, job(seed=1))
    monkeypatch.undo()
    assert contents(out) == before
    occluded(pictures, out, job(seed=1))
    assert set(contents(out)) == set(before)
    assert contents(out) != before


def test_results_of_a_former_call_go_and_other_files_stay(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    occluded(pictures, out, job())
    (out / "image" / "mine.png").write_bytes(b"mine")
    occluded(pictures / "sub", out, job())
    assert set(contents(out)) == {
        *(f"{kind}/{name}" for kind in ("image", "mask") for name in ("a.png", "deep/c.png")),
        "image/mine.png",
        "manifest.csv",
        "manifest.parquet",
    }


def test_results_inside_the_source_are_no_sources(pictures: Path, tmp_path: Path) -> None:
    Image.open(pictures / "a.png").save(tmp_path / "a.png")
    for _ in range(2):
        rows = occluded(tmp_path, tmp_path / "out", job())
        assert [row.sample_id for row in rows] == ["a.png"]
    with pytest.raises(SpecError, match="is SRC as well"):
        check_apart(tmp_path, tmp_path, [])
    with pytest.raises(SpecError, match="where the results"):
        check_apart(tmp_path / "out" / "image", tmp_path / "out", [tmp_path / "out" / "image" / "a.png"])


def test_names_of_results_are_apart() -> None:
    assert result_files(["x/a.jpg", "b.jpg"]) == ["x/a.png", "b.png"]
    assert result_files(["b.jpg", "B.png", "c.jpg"]) == ["b.jpg.png", "B.png.png", "c.png"]
    assert result_files(["a.jpg", "a.png", "a.jpg.png"]) == ["a.jpg.png", "a.png.png", "a.jpg.png.png"]
    with pytest.raises(SpecError, match="the same name"):
        result_files(["a.jpg", "A.JPG"])


def test_failures_are_rows_and_no_path_is_told(pictures: Path, tmp_path: Path) -> None:
    source = Source(path=tmp_path / "cut.png", sample_id="cut.png")
    source.path.write_bytes(b"x")
    good = Source(path=pictures / "a.png", sample_id="a.png")
    with OccludedFolder(tmp_path / "out") as folder:
        rows = occlude_files(job(), [source, good], folder, Silent())
        folder.finish(rows)
    assert [row.status for row in rows] == ["failed", "ok"]
    assert "not an image" in rows[0].error
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.csv").read_text()
    assert read_manifest(tmp_path / "out" / "manifest.parquet")[1] == rows[0]
    with pytest.raises(SpecError, match="no image can be read"), OccludedFolder(tmp_path / "none") as folder:
        occlude_files(job(), [source], folder, Silent())
    assert not (tmp_path / "none").exists()
    with pytest.raises(OccluderError, match=r"be occluded.*nonsense"), OccludedFolder(tmp_path / "none") as folder:
        occlude_files(job(params={"nonsense": 1}), [source, good], folder, Silent())


def test_every_thread_has_an_occluder_of_its_own(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ofer_occluders.random_patch import RandomPatch

    seen: dict[int, set[int]] = {}
    real, barrier = RandomPatch.sample, threading.Barrier(2, timeout=20)

    def watched(self: RandomPatch, *args: object) -> Occlusion:
        new = threading.get_ident() not in seen
        seen.setdefault(threading.get_ident(), set()).add(id(self))
        if new:
            barrier.wait()
        return real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(RandomPatch, "sample", watched)
    occluded(pictures, tmp_path / "out", job(), workers=2)
    assert len(seen) == 2
    assert all(len(ids) == 1 for ids in seen.values())
    assert len(set.union(*seen.values())) == 2


def test_folders_in_parameters_can_be_moved() -> None:
    params = {"source": {"folder": "old", "file": "a.png"}, "list": [{"folder": "old"}, 1], "folder": 3}
    assert moved(params, "new") == {
        "source": {"folder": "new", "file": "a.png"},
        "list": [{"folder": "new"}, 1],
        "folder": 3,
    }
