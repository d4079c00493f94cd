"""A whole run on a toy folder data set, made once for all tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ofer_bench.engine.config import RunConfig, load_profile, load_suite
from ofer_bench.engine.execute import Execution
from ofer_bench.engine.progress import Silent
from ofer_bench.engine.run import run_suite
from ofer_bench.spec.datasets import Datasets, DatasetSpec
from ofer_bench.store.artefacts import Store


class Recorder(Silent):
    """Remembers the stages that were really made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.failed: dict[str, str] = {}

    def finish(self, label: str, seconds: float) -> None:
        self.made.append(label)

    def fail(self, label: str, error: str) -> None:
        self.failed[label] = error


@dataclass
class ToyRun:
    """Everything needed to run again: configuration, data, store; and what the first run did."""

    config: RunConfig
    datasets: Datasets
    store: Path
    out: Path
    first: Execution
    recorder: Recorder

    def again(
        self, out: Path, store: Path | None = None, config: RunConfig | None = None
    ) -> tuple[Execution, Recorder]:
        recorder = Recorder()
        result = run_suite(
            config or self.config, self.datasets, Store(store or self.store), out, ["ofer-bench"], recorder
        )
        return result.execution, recorder


@pytest.fixture(scope="package")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyRun]:
    from PIL import Image

    from ofer_bench.core.expressions import EXPRESSIONS
    from tests.conftest import toy_faces

    base = tmp_path_factory.mktemp("toy")
    for seed, (part, count) in enumerate((("train", 28), ("val", 14), ("test", 14))):
        faces = toy_faces(count, size=48, seed=seed, prefix=part)
        for image, label, name in zip(faces.image, faces.label, faces.sample_id, strict=True):
            folder = base / "faces" / part / EXPRESSIONS[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{name}.png")
    (base / "faces" / "test" / "fear" / "broken.png").write_bytes(b"no image")
    spec = DatasetSpec(reader="folder", root=str(base / "faces"), licence="CC0", alignment="none")
    config = RunConfig(
        suite=load_suite("smoke"),
        profile=load_profile("smoke"),
        datasets=("Toy",),
        splits=(),
        seeds=1,
        device="cpu",
    )
    toy = ToyRun(config, Datasets(datasets={"Toy": spec}), base / "store", base / "run", Execution(), Recorder())
    toy.first, toy.recorder = toy.again(toy.out)
    yield toy
