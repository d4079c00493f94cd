"""A component that a setting names, with weights of the user's: plan, keys, training, records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ofer_bench.core.errors import UnknownName, WeightsError
from ofer_bench.engine.config import RunConfig, load_profile
from ofer_bench.engine.foreign import TRAINED_HERE
from ofer_bench.engine.pool import WEIGHTS, ComponentPool
from ofer_bench.engine.tasks import plan_run
from ofer_bench.store.records import read_records
from tests.engine.conftest import ToyRun
from tests.engine.test_plan import CONFIG
from tests.engine.test_variants import data_sets, keys, recognising, varied
from tests.vgg16_files import write_vgg16

PERCEPTUAL = "components.hybrid.model.perceptual=vgg16"
HYBRID, VGG = "train/A/hybrid/seed0", "train/A/vgg16/seed0"
VARIANT = {"of": "hybrid", "model": {"perceptual": "vgg16"}}


def planned(root: Path, *overrides: str, config: RunConfig | None = None) -> Mapping[str, str]:
    """Keys of the training stages of Latent-OFER."""
    config = config or varied(CONFIG, recognising("latent-ofer"))
    return keys(plan_run(replace(config, profile=load_profile("smoke", overrides)), data_sets(root)), "train/")


def test_only_a_setting_that_names_it_brings_it_in(face_folder: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.pth" for name in ("a", "b")}
    for seed, path in enumerate(files.values()):
        write_vgg16(path, seed)
    weights = {name: f"components.vgg16.weights={path}" for name, path in files.items()}
    plain = planned(face_folder)
    # Weights that nothing asks for change nothing.
    assert planned(face_folder, weights["a"]) == plain
    assert VGG not in plain
    first, second = (planned(face_folder, PERCEPTUAL, weights[name]) for name in files)
    assert set(first) == {*plain, VGG}
    changed = {stage for stage in plain if first[stage] != plain[stage]}
    assert changed == {HYBRID, "train/A/latent-recognizer/seed0"}
    assert {stage for stage in first if first[stage] != second[stage]} == {*changed, VGG}
    named = planned(face_folder, "components.hybrid.model.perceptual=resnet18")
    assert set(named) == set(plain)


def test_it_needs_weights(face_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'vgg16' is not trained by this suite") as caught:
        planned(face_folder, PERCEPTUAL)
    assert "set components.vgg16.weights to a file of yours; docs/weights.md" in str(caught.value)
    with pytest.raises(WeightsError, match=r"components\.vgg16\.weights: no file"):
        planned(face_folder, PERCEPTUAL, f"components.vgg16.weights={tmp_path / 'absent.pth'}")
    with pytest.raises(UnknownName, match=r"unknown perceptual of hybrid 'vgg19'\n.*did you mean 'vgg16'"):
        planned(face_folder, "components.hybrid.model.perceptual=vgg19")


def test_a_variant_names_it_beside_its_component(face_folder: Path, tmp_path: Path) -> None:
    write_vgg16(tmp_path / "vgg16.pth")
    weights = f"components.vgg16.weights={tmp_path / 'vgg16.pth'}"
    systems = {"vgg": {"detector": "vit-svdd", "reconstructor": "on-vgg", "classifier": "latent-recognizer"}}
    config = varied(CONFIG, recognising("latent-ofer", "vgg"), variants={"on-vgg": VARIANT}, systems=systems)
    beside, plain = planned(face_folder, weights, config=config), planned(face_folder)
    assert plain.items() <= beside.items()
    assert set(beside) - set(plain) == {VGG, "train/A/on-vgg/seed0"}
    assert beside["train/A/on-vgg/seed0"] == planned(face_folder, PERCEPTUAL, weights)[HYBRID]
    variants = {"other": {"of": "dan"}, "on-vgg": {**VARIANT, "upstream": {"dan": "other"}}}
    stranger = varied(config, recognising("vgg"), variants=variants)
    with pytest.raises(UnknownName, match=r"upstream component of hybrid 'dan'\n.*face-mae, resnet18, vgg16"):
        planned(face_folder, weights, config=stranger)


def test_a_run_tells_whose_features_the_losses_read(toy: ToyRun, tmp_path: Path) -> None:
    path = tmp_path / "vgg16-397923af.pth"
    state = write_vgg16(path)
    weights = f"components.vgg16.weights={path}"
    task = {"reconstructors": ["hybrid", "on-vgg"], "families": ["objects"], "classifier": "resnet18"}
    config = varied(toy.config, {"reconstruction": task}, variants={"on-vgg": VARIANT})
    # There is nothing that a recipe could train.
    recipe = "components.vgg16.recipe={epochs: 1, batch_size: 8, lr: 1.0e-3}"
    config = replace(config, profile=load_profile("smoke", (weights, recipe)))
    execution, recorder = toy.again(tmp_path / "run", config=config)
    assert not execution.failures
    # All else is there from the first run: naming a network elsewhere retrains nothing.
    assert [stage for stage in recorder.made if stage.startswith("train/")] == [
        "train/Toy/vgg16/seed0",
        "train/Toy/on-vgg/seed0",
    ]
    vgg, hybrid = (execution.artefacts[f"train/Toy/{name}/seed0"] for name in ("vgg16", "on-vgg"))
    kept = load_file(vgg.path / WEIGHTS)
    assert len(kept) == 20
    assert all(torch.equal(tensor, state[name]) for name, tensor in kept.items())
    assert vgg.meta["selection"] == "foreign weights as they are"
    origin = f"vgg16-397923af.pth (sha256 {vgg.meta['weights']['digest'][:12]}; torchvision VGG-16), used as they are"
    assert hybrid.meta["foreign"] == {"vgg16": origin}
    assert not [name for name in load_file(hybrid.path / WEIGHTS) if not name.startswith("unet.")]

    table = read_records(tmp_path / "run")
    assert set(table.status) == {"ok"}
    told = table[table.metric.str.startswith("psnr")].groupby("reconstructor").weights_origin.unique()
    assert told["on-vgg"].tolist() == [f"vgg16: {origin}; others: {TRAINED_HERE}"]
    assert told["hybrid"].tolist() == [TRAINED_HERE]

    on_vgg = plan_run(config, toy.datasets).recipes["train/Toy/on-vgg/seed0"]
    pool = ComponentPool("cpu", lambda stage: execution.artefacts[stage].path)
    loaded = pool.get("train/Toy/on-vgg/seed0", on_vgg)
    assert torch.equal(loaded.perceptual.state_dict()["features.0.weight"], state["features.0.weight"])
