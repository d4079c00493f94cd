"""Foreign weights on their way through plan, training, artefact and records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ofer_bench.core.errors import WeightsError
from ofer_bench.engine.blueprint import Blueprint
from ofer_bench.engine.config import RunConfig, load_profile, load_suite
from ofer_bench.engine.execute import Execution, execute
from ofer_bench.engine.foreign import TRAINED_HERE, load_summary, weights_origin
from ofer_bench.engine.plan import Planner
from ofer_bench.engine.pool import WEIGHTS, ComponentPool
from ofer_bench.engine.progress import Silent
from ofer_bench.latent_ofer.patching import sincos_positions
from ofer_bench.spec.datasets import Datasets, DatasetSpec
from ofer_bench.store.artefacts import Store

TRAIN = "train/A/face-mae/seed0"
RECIPE = {"epochs": 1, "batch_size": 14, "lr": 1e-3}


def config(**components: Mapping[str, Any]) -> RunConfig:
    value = load_profile("smoke").model_dump(mode="json")
    for name, changes in components.items():
        value["components"][name.replace("_", "-")].update(changes)
    profile = type(load_profile("smoke")).model_validate(value)
    return RunConfig(suite=load_suite("smoke"), profile=profile, datasets=("A",), splits=(), seeds=1, device="cpu")


def planned(config: RunConfig, root: Path, *components: str) -> Blueprint:
    spec = DatasetSpec(reader="folder", root=str(root), licence="CC0", alignment="none")
    blueprint = Blueprint()
    planner = Planner(config, "A", Datasets(datasets={"A": spec}), 0, blueprint)
    for component in components:
        planner.component(component)
    return blueprint


def made(config: RunConfig, root: Path, store: Path, *components: str) -> Execution:
    return execute(planned(config, root, *components).plan, Store(store), "cpu", Silent())


def published(config: RunConfig, path: Path, *, decoder: bool = True, seed: int = 5) -> dict[str, torch.Tensor]:
    """Write a random MAE of the profile's sizes under the original names; return it."""
    model = config.profile.components["face-mae"].model
    patch, grid = config.profile.patch_size, config.profile.image_size // config.profile.patch_size
    generator = torch.Generator().manual_seed(seed)

    def tower(name: str, dim: int, depth: int) -> dict[str, tuple[int, ...]]:
        shapes = {"norm1": (dim,), "attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim), "norm2": (dim,)}
        shapes |= {"mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}
        return {f"{name}.{n}.{part}": shape for n in range(depth) for part, shape in shapes.items()}

    dim, width = model["dim"], model["decoder_dim"]
    shapes = {"patch_embed.proj": (dim, 3, patch, patch), "norm": (dim,), **tower("blocks", dim, model["depth"])}
    tokens = {"cls_token": dim}
    if decoder:
        shapes |= {"decoder_embed": (width, dim), "decoder_norm": (width,), "decoder_pred": (3 * patch**2, width)}
        shapes |= tower("decoder_blocks", width, model["decoder_depth"])
        tokens["mask_token"] = width
    state = {name: torch.randn(1, 1, size, generator=generator) * 0.02 for name, size in tokens.items()}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * 0.02
        state[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.02
    for name, size in (("pos_embed", dim), ("decoder_pos_embed", width))[: 1 + decoder]:
        state[name] = torch.cat([torch.zeros(1, size), sincos_positions(grid, size)])[None]
    torch.save({"model": state}, path)
    return state


def with_file(path: Path, recipe: Mapping[str, Any] | None = None, **settings: Any) -> RunConfig:
    model = {**config().profile.components["face-mae"].model, "statistics": "imagenet", **settings}
    return config(face_mae={"weights": str(path), "recipe": recipe, "model": model})


def test_the_files_bytes_are_part_of_the_key(face_folder: Path, tmp_path: Path) -> None:
    first, second, copy = (tmp_path / name for name in ("a.pth", "b.pth", "c.pth"))
    published(config(), first, seed=1)
    published(config(), second, seed=2)
    copy.write_bytes(first.read_bytes())
    settings = {"recipe": RECIPE}
    keys = [planned(with_file(path, **settings), face_folder, "vit-svdd").plan.stages for path in (first, second, copy)]
    assert keys[0][TRAIN].key == keys[2][TRAIN].key != keys[1][TRAIN].key
    upper = "train/A/vit-svdd/seed0"
    assert keys[0][upper].key != keys[1][upper].key
    without = config(face_mae={"weights": None})
    plain = planned(config(), face_folder, "face-mae").plan.stages[TRAIN].key
    assert planned(without, face_folder, "face-mae").plan.stages[TRAIN].key == plain


def test_without_a_recipe_the_weights_are_used_as_they_are(face_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mae_visualize_vit_tiny.pth"
    state = published(config(), path)
    chosen = with_file(path)
    execution = made(chosen, face_folder, tmp_path / "store", "mae")
    artefact = execution.artefacts[TRAIN]
    kept = load_file(artefact.path / WEIGHTS)
    assert torch.equal(kept["blocks.0.attn.qkv.weight"], state["blocks.0.attn.qkv.weight"])
    assert torch.equal(kept["decoder_head.weight"], state["decoder_pred.weight"])
    assert artefact.meta["selection"] == "foreign weights as they are"
    notes = artefact.meta["weights"]
    assert (notes["file"], notes["matched"], notes["trained"]) == (path.name, len(state), False)
    assert notes["untrained"] == notes["ignored"] == []
    told = f"{path.name} (original, encoder and decoder): {len(state)} tensors matched, 0 not in the file, 0 ignored"
    assert load_summary("face-mae", notes) == f"face-mae from {told}; used as they are"
    # A component on top is trained here, and its records tell what it stands on.
    meta = execution.artefacts["train/A/mae/seed0"].meta
    assert "weights" not in meta
    origin = weights_origin({"mae": meta})
    assert origin.startswith(f"face-mae: {path.name} (sha256 {notes['digest'][:12]}; original, encoder and decoder)")
    assert origin.endswith(f"used as they are; others: {TRAINED_HERE}")
    blueprint = planned(chosen, face_folder, "face-mae")
    pool = ComponentPool("cpu", lambda stage: execution.artefacts[stage].path)
    loaded = pool.get(TRAIN, blueprint.recipes[TRAIN])
    grid = loaded.grid
    loaded.inpaint(torch.rand(1, 3, 48, 48), torch.ones(1, grid, grid, dtype=torch.bool))


def test_with_a_recipe_training_starts_from_them(face_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mae_pretrain_vit_tiny.pth"
    state = published(config(), path, decoder=False)
    gentle = {**RECIPE, "lr": 1e-8, "weight_decay": 0.0}
    artefact = made(with_file(path, gentle), face_folder, tmp_path / "store", "face-mae").artefacts[TRAIN]
    kept = load_file(artefact.path / WEIGHTS)
    name = "blocks.0.attn.qkv.weight"
    assert not torch.equal(kept[name], state[name])
    torch.testing.assert_close(kept[name], state[name], atol=1e-6, rtol=0)
    assert artefact.meta["selection"] == "best validation epoch"
    assert artefact.meta["weights"]["trained"] and "mask_token" in artefact.meta["weights"]["untrained"]
    assert "trained on by this suite" in weights_origin({"face-mae": artefact.meta})
    assert TRAINED_HERE not in weights_origin({"face-mae": artefact.meta})


@pytest.mark.parametrize(
    ("name", "decoder", "problem"),
    [
        ("mae_pretrain_vit_tiny.pth", False, "the file holds no decoder"),
        ("mae_pretrain_vit_tiny_full.pth", True, "no picture"),
        ("model.pth", True, "decoder_target"),
    ],
)
def test_what_has_to_be_trained_fails_without_a_recipe(
    face_folder: Path, tmp_path: Path, name: str, decoder: bool, problem: str
) -> None:
    published(config(), tmp_path / name, decoder=decoder)
    execution = made(with_file(tmp_path / name), face_folder, tmp_path / "store", "face-mae")
    assert problem in execution.failures[TRAIN]
    assert "give components.face-mae a recipe" in execution.failures[TRAIN]


def test_a_file_that_misses_something_fails_its_stage(face_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mae_visualize_vit_tiny.pth"
    state = published(config(), path)
    del state["norm.bias"]
    torch.save(state, path)
    execution = made(with_file(path, RECIPE), face_folder, tmp_path / "store", "face-mae")
    assert "missing: norm.bias" in execution.failures[TRAIN]


def test_a_file_that_is_not_there_and_a_component_without_use_for_one_are_refused_at_once(
    face_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"components\.face-mae\.weights: no file") as caught:
        planned(with_file(tmp_path / "absent.pth", RECIPE), face_folder, "face-mae")
    assert "correct the path" in str(caught.value)
    (tmp_path / "any.pth").touch()
    with pytest.raises(WeightsError, match="'dan' can't load foreign weights"):
        planned(config(dan={"weights": str(tmp_path / "any.pth")}), face_folder, "dan")


def test_the_path_may_use_home_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", str(tmp_path))
    chosen = config(face_mae={"weights": "$MODELS/mae.pth"}).profile.components["face-mae"]
    assert chosen.weights_path == tmp_path / "mae.pth"
    assert config().profile.components["face-mae"].weights_path is None
