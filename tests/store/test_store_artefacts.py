from __future__ import annotations

import errno
import json
import multiprocessing
from pathlib import Path

import pandas as pd
import pytest

from ofer_bench.core.errors import StoreError
from ofer_bench.store.artefacts import BeingMade, Store
from ofer_bench.store.records import COLUMNS, read_records, records_frame, write_records
from ofer_bench.store.rundir import RunDirectory, in_one_step


def write_text(folder: Path) -> dict[str, int]:
    (folder / "a.txt").write_text("hello")
    return {"n": 1}


def test_what_is_produced_is_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.find("train", "k1") is None
    made = store.produce("train", "k1", write_text)
    found = Store(tmp_path).find("train", "k1")
    assert found is not None
    assert (found.path / "a.txt").read_text() == "hello"
    assert found.meta == {"n": 1} == made.meta


def test_a_finished_artefact_is_not_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.produce("train", "k1", write_text)

    def never(folder: Path) -> dict[str, int]:
        raise AssertionError("made twice")

    assert store.produce("train", "k1", never).meta == {"n": 1}


def test_who_does_not_wait_is_told_that_another_is_making_it(tmp_path: Path) -> None:
    def write(folder: Path) -> dict[str, int]:
        with pytest.raises(BeingMade):
            Store(tmp_path).produce("train", "k1", write_text, wait=False)
        return write_text(folder)

    Store(tmp_path).produce("train", "k1", write)
    assert Store(tmp_path).produce("train", "k1", write_text, wait=False).meta == {"n": 1}


def test_a_killed_writer_leaves_nothing_visible_and_the_next_one_succeeds(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def killed(folder: Path) -> dict[str, int]:
        (folder / "half.txt").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.produce("train", "k1", killed)
    assert store.find("train", "k1") is None
    made = store.produce("train", "k1", write_text)
    assert sorted(p.name for p in made.path.iterdir()) == ["a.txt", "artefact.json"]


def test_a_damaged_artefact_counts_as_missing_and_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.produce("train", "k1", write_text)
    (made.path / "a.txt").write_text("hell")
    assert store.find("train", "k1") is None
    assert (store.produce("train", "k1", write_text).path / "a.txt").read_text() == "hello"
    for text in ("{", "null", "[]", '{"files": []}'):
        (made.path / "artefact.json").write_text(text)
        assert store.find("train", "k1") is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "full"), StoreError),
        (OSError(errno.EDQUOT, "quota"), StoreError),
        (FileNotFoundError(errno.ENOENT, "a plugin's own file"), FileNotFoundError),
        (TimeoutError("a plugin's server"), TimeoutError),
    ],
)
def test_only_a_full_disk_is_the_stores_fault(tmp_path: Path, error: OSError, expected: type[Exception]) -> None:
    def write(folder: Path) -> dict[str, int]:
        raise error

    with pytest.raises(expected) as caught:
        Store(tmp_path).produce("train", "k1", write)
    assert type(caught.value) is expected


def test_a_place_that_cannot_be_written_is_the_stores_fault(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "artefacts" / "train").write_text("no folder")
    with pytest.raises(StoreError, match="OFER_BENCH_STORE"):
        store.produce("train", "k1", write_text)


def _race(root: str, queue: multiprocessing.Queue[int]) -> None:
    def write(folder: Path) -> dict[str, int]:
        queue.put(1)
        return write_text(folder)

    Store(Path(root)).produce("train", "same", write)


def test_two_processes_make_an_artefact_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_race, args=(str(tmp_path), queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0]
    assert queue.get(timeout=5) == 1
    assert queue.empty()


def test_an_unwritable_store_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="OFER_BENCH_STORE"):
        Store(tmp_path / "file")
    with pytest.raises(StoreError, match="--out"):
        RunDirectory(tmp_path / "file")


def test_records_have_the_documented_columns(tmp_path: Path) -> None:
    documented = [
        "schema_version",
        "run_id",
        "suite",
        "split",
        "split_digest",
        "occluder",
        "ratio_lo",
        "ratio_hi",
        "system",
        "detector",
        "reconstructor",
        "classifier",
        "profile",
        "seed",
        "selection",
        "weights_digest",
        "weights_origin",
        "device",
        "precision",
        "batch_size",
        "metric",
        "metric_def",
        "slice_key",
        "slice_value",
        "value",
        "unit",
        "higher_is_better",
        "n",
        "n_failed",
        "ci_lo",
        "ci_hi",
        "ci_method",
        "status",
        "source",
        "citation",
        "note",
    ]
    assert list(COLUMNS) == documented
    frame = records_frame([{"metric": "accuracy", "value": 81.25, "n": 16}])
    write_records(frame, tmp_path)
    pd.testing.assert_frame_equal(read_records(tmp_path), frame)
    text = pd.read_csv(tmp_path / "records.csv")
    assert text.loc[0, "value"] == 81.25
    assert list(text.columns) == documented


def test_an_unknown_record_column_is_refused() -> None:
    with pytest.raises(ValueError, match="acuracy"):
        records_frame([{"acuracy": 1.0}])


def test_run_files_are_replaced_in_one_step(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.write_json("run.json", {"status": "started"})
    run.write_json("run.json", {"status": "done"})
    assert json.loads((run.path / "run.json").read_text()) == {"status": "done"}
    assert not list(run.path.glob(".partial*"))
    source = tmp_path / "x.parquet"
    source.write_bytes(b"1")
    assert run.link(source, "predictions/x.parquet") == "predictions/x.parquet"
    assert (run.path / "predictions" / "x.parquet").read_bytes() == b"1"
    assert run.link(source, "predictions/x.parquet") == "predictions/x.parquet"
    source.unlink()
    source.write_bytes(b"2")
    run.link(source, "predictions/x.parquet")
    assert [p.read_bytes() for p in (run.path / "predictions").iterdir()] == [b"2"]


def test_a_file_that_fails_halfway_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "records.csv"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), in_one_step(target) as partial:
        partial.write_text("ha")
        raise KeyboardInterrupt
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]
