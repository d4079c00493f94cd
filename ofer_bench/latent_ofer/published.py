"""Filling the face MAE from a published masked autoencoder (He et al. 2022), and what no tensor of it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ofer_bench.api import LoadReport, WeightsError, match_weights, read_weights
from ofer_bench.latent_ofer.checkpoints import is_decoder, to_face_mae

if TYPE_CHECKING:
    from ofer_bench.latent_ofer.mae import FaceMAE

BY_NAME, PIXELS, NORMALISED = TARGETS = ("by-name", "pixels", "normalised")
"""What a decoder paints: standardised pixels, or pixels with mean and deviation of each patch taken out."""

HEADS = {"heads": {768: 12, 1024: 16, 1280: 16}, "decoder_heads": {512: 16}}
"""Heads of the published models by width: no tensor shows their number, and a wrong one spoils every block."""

SIZES = (
    "ViT-B and ViT-L: image_size 224, patch_size 16, dim 768 or 1024, depth 12 or 24, decoder_dim 512, decoder_depth 8"
)

# What the authors call their files; the tensors do not tell.
_TARGET_OF = {"mae_visualize": PIXELS, "mae_pretrain": NORMALISED}

# Half precision moves a sine by 5e-4 at most; learned positions lie further off.
_POSITION_TOLERANCE = 1e-3


def load_published(mae: FaceMAE, path: Path) -> LoadReport:
    """Fill ``mae`` from the file ``path``, in any layout of docs/weights.md.

    A decoder that the file lacks stays as drawn, and ``must_train`` of the report says so. Raises WeightsError, and
    changes nothing, where anything else is missed, where positions, heads or statistics are not the published ones.
    """
    foreign = to_face_mae(path, read_weights(path))
    state = mae.state_dict()
    own = {
        **state,
        "position": _with_class_token(mae.position),
        "decoder_position": _with_class_token(mae.decoder_position),
    }
    decoder = [name for name in own if is_decoder(name)]
    encoder_alone = not any(name in foreign.tensors for name in decoder)
    _check_settings(path, mae, encoder_alone)
    report = match_weights(path, foreign, own, may_miss=decoder if encoder_alone else (), hint=SIZES)
    _check_positions(path, foreign.tensors, own)
    must_train = _NO_DECODER if encoder_alone else _MUST_TRAIN[target_of(path, mae.decoder_target)]
    mae.load_state_dict({name: foreign.tensors.get(name, tensor) for name, tensor in state.items()})
    return replace(report, must_train=must_train)


def target_of(path: Path, declared: str) -> str:
    """Return what the decoder in ``path`` paints (one of TARGETS): as ``declared``, else by the authors' file name.

    ``by-name`` where neither tells. WeightsError where the two contradict each other.
    """
    named = next((target for start, target in _TARGET_OF.items() if path.name.startswith(start)), BY_NAME)
    if BY_NAME not in (declared, named) and declared != named:
        raise WeightsError(
            f"weights {path}: the decoder in files of this name paints {named}, and decoder_target is {declared}",
            hint="leave decoder_target out; for pixels, take the file mae_visualize_…",
        )
    return named if declared == BY_NAME else declared


_NO_DECODER = "the file holds no decoder, and that of the model is untrained"
_MUST_TRAIN = {
    PIXELS: "",
    NORMALISED: "its decoder paints patches without their mean and deviation, which are no picture",
    BY_NAME: "the file does not tell whether its decoder paints pixels; decoder_target: pixels in the model says so",
}


def _with_class_token(position: Tensor) -> Tensor:
    """Published tables [1,1+G*G,D] begin with zeros for the class token."""
    return torch.cat([torch.zeros_like(position[:1]), position])[None]


def _check_positions(path: Path, theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    for name in ("position", "decoder_position"):
        if name in theirs and not torch.allclose(
            theirs[name].float(), own[name].cpu(), rtol=0, atol=_POSITION_TOLERANCE
        ):
            raise WeightsError(
                f"weights {path}: {name} differs from the fixed sine-cosine table of the masked autoencoder",
                hint="give a masked autoencoder; other vision transformers learn their positions",
            )


def _check_settings(path: Path, mae: FaceMAE, encoder_alone: bool) -> None:
    if mae.statistics != "imagenet":
        raise WeightsError(
            f"weights {path}: published masked autoencoders expect ImageNet's mean and deviation",
            hint="set components.face-mae.model.statistics to imagenet",
        )
    widths = {"heads": mae.dim} if encoder_alone else {"heads": mae.dim, "decoder_heads": mae.mask_token.shape[2]}
    for name, width in widths.items():
        heads = mae.heads[name]
        public = HEADS[name].get(width, heads)
        if heads != public:
            raise WeightsError(
                f"weights {path}: the published model of width {width} has {public} {name}, not {heads}",
                hint=f"set components.face-mae.model.{name} to {public}",
            )
