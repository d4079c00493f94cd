"""The manifest: what is written is what is read, and nothing that would do harm is read."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ofer_bench.core.errors import OccluderError, SpecError
from ofer_bench.occlusion.manifest import COLUMNS, ManifestRow, pixel_digest, read_manifest, write_manifest
from ofer_bench.occlusion.mask_code import decode_mask, encode_mask, patch_ratio
from ofer_bench.occlusion.patches import pixel_mask_to_patches

FAST = settings(max_examples=25, deadline=None)
shares = st.floats(0, 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def row(number: int = 0, **changes: Any) -> ManifestRow:
    mask = np.zeros((56, 56), dtype=bool)
    mask[:, : number % 56] = True
    values: dict[str, Any] = {
        "sample_id": f"sub/{number:03d}.jpg",
        "file": f"sub/{number:03d}.png",
        "occluder": "random-patch",
        "occluder_version": "1",
        "params": {"patches": [number]},
        "seed": 3,
        "size": 56,
        "patch_size": 4,
        "ratio_lo": 0.1,
        "ratio_hi": 0.4,
        "ratio": float(mask.mean()),
        "patch_ratio_tau_0_1": 0.5,
        "patch_ratio_tau_0_5": 0.25,
        "file_digest": "0" * 24,
        "source_digest": "1" * 24,
        "mask_digest": pixel_digest(mask),
        "image_digest": "2" * 24,
        "mask": encode_mask(mask),
        "decoder": "d",
        "tool_version": "0",
    }
    return ManifestRow(**{**values, **changes})


@FAST
@given(
    params=st.dictionaries(texts, json_values, max_size=4),
    ratios=st.tuples(shares, shares, shares),
    seed=st.integers(-(2**62), 2**62),
    names=st.lists(st.from_regex(r"[a-zé 한]{1,6}(/[a-z,\"]{1,6})?\.jpg", fullmatch=True), unique=True, min_size=1),
    suffix=st.sampled_from([".csv", ".parquet"]),
)
def test_what_is_written_is_what_is_read(
    params: dict[str, Any],
    ratios: tuple[float, float, float],
    seed: int,
    names: list[str],
    suffix: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("m") / f"m{suffix}"
    rows = [
        row(
            i,
            sample_id=name,
            params=params,
            seed=seed,
            ratio=ratios[0],
            patch_ratio_tau_0_1=ratios[1],
            patch_ratio_tau_0_5=ratios[2],
        )
        for i, name in enumerate(names)
    ]
    write_manifest(rows, path)
    assert read_manifest(path) == sorted(rows, key=lambda r: r.sample_id)
    first = path.read_bytes()
    write_manifest(rows[::-1], path)
    assert path.read_bytes() == first


def test_failed_rows_have_an_error_and_no_values(tmp_path: Path) -> None:
    common = row().model_dump(include={"sample_id", "file", "occluder", "occluder_version", "seed", "size"})
    more = {"patch_size": 4, "ratio_lo": 0.1, "ratio_hi": 0.4, "decoder": "d", "tool_version": "0"}
    failed = ManifestRow(**common, **more, status="failed", error="is truncated")
    for suffix in (".csv", ".parquet"):
        write_manifest([failed], tmp_path / f"m{suffix}")
        assert read_manifest(tmp_path / f"m{suffix}") == [failed]


def _changed(path: Path, column: str, value: str) -> None:
    write_manifest([row(0), row(1)], path)
    with path.open(newline="", encoding="utf-8") as file:
        entries = list(csv.DictReader(file))
    entries[1][column] = value
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(entries)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ratio", "1.5"),
        ("ratio", ""),
        ("ratio", "nan"),
        ("params", "{"),
        ("params", "[1]"),
        ("size", "many"),
        ("schema_version", "2"),
        ("mask_digest", "xyz"),
        ("status", "fine"),
        ("file", "../../outside.png"),
        ("file", "/outside.png"),
        ("file", "a\\..\\..\\outside.png"),
        ("sample_id", "../secret.jpg"),
        ("sample_id", ""),
        ("sample_id", "sub/000.jpg"),
        ("file", "SUB/000.png"),
    ],
)
def test_a_wrong_value_is_named_with_file_row_and_column(column: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    _changed(path, column, value)
    with pytest.raises(SpecError) as caught:
        read_manifest(path)
    assert "m.csv: row 2" in str(caught.value)
    assert column in str(caught.value)


def test_what_is_no_manifest_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sample_id,file\na,b\n")
    (tmp_path / "b.parquet").write_bytes(b"no table")
    (tmp_path / "c.jsonl").write_text("{}")
    (tmp_path / "d.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "e.csv").write_text(",".join(COLUMNS) + "\n")
    for name, message in (
        ("a.csv", "lacks the columns schema_version"),
        ("b.parquet", "can't be read|no table"),
        ("c.jsonl", "ends in .parquet or .csv"),
        ("d.csv", "no table"),
        ("e.csv", "empty manifest"),
        ("f.csv", "can't be read: No such file"),
    ):
        with pytest.raises(SpecError, match=message):
            read_manifest(tmp_path / name)


@FAST
@given(bits=st.integers(0, 2**64 - 1), width=st.sampled_from([56, 64]))
def test_masks_survive_as_text(bits: int, width: int) -> None:
    mask = np.random.default_rng(bits).random((width, width)) < 0.3
    text = encode_mask(mask)
    again = decode_mask(text, width)
    assert again.dtype == np.bool_
    np.testing.assert_array_equal(again, mask)
    assert pixel_digest(again) == pixel_digest(mask)
    assert pixel_digest(~mask) != pixel_digest(mask)
    with pytest.raises(OccluderError, match="no 1-bit PNG"):
        decode_mask(text, width + 1)


@pytest.mark.parametrize("text", ["", "?", "aGVsbG8="])
def test_damaged_masks_are_refused(text: str) -> None:
    with pytest.raises(OccluderError, match="damaged"):
        decode_mask(text, 56)


def test_equal_masks_have_equal_digests_whatever_true_is_in_memory() -> None:
    mask = np.eye(16, dtype=bool)
    other = (mask.view(np.uint8) * 255).view(np.bool_)
    assert pixel_digest(mask) == pixel_digest(other)
    assert pixel_digest(mask) != pixel_digest(mask.astype(np.uint8))


@pytest.mark.parametrize("tau", [0.1, 0.5])
@pytest.mark.parametrize("side", [4, 8, 10, 16])
def test_the_patch_ratio_is_the_benchmarks(tau: float, side: int) -> None:
    rng = np.random.default_rng(side)
    mask = rng.random((14 * side, 14 * side)) < rng.random((14 * side, 1)) ** 2
    expected = pixel_mask_to_patches(torch.from_numpy(mask)[None, None], side, tau).float().mean()
    assert patch_ratio(mask, side, tau) == pytest.approx(float(expected), abs=1e-6)
