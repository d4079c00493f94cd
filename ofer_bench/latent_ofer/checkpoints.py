"""The layouts in which masked autoencoders (He et al. 2022) are published, in the names of :class:`FaceMAE`.

Four go round: the original one with and without decoder (timm's is the latter), and the two of Hugging Face, which
have query, key and value apart: ``vit.encoder.layer.N`` in files, ``vit.layers.N`` in the memory of transformers 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ofer_bench.api import ForeignState, WeightsError

_HUGGING_FACE = re.compile(r"(vit\.|embeddings\.|encoder\.layer\.|layers\.)")
_ORIGINAL = re.compile(r"(blocks\.|patch_embed\.)")
_BLOCK = re.compile(r"(?:decoder_)?blocks\.\d+\.")
_FROM_HUGGING_FACE = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^(?:vit\.)?embeddings\.cls_token$", "cls_token"),
        (r"^(?:vit\.)?embeddings\.position_embeddings$", "pos_embed"),
        (r"^(?:vit\.)?embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^(?:vit\.)?(?:encoder\.layer|layers)\.(?=\d)", "blocks."),
        (r"^(?:vit\.)?layernorm\.", "norm."),
        # transformers 5 writes decoder_encoder.layer where version 4 wrote decoder_layers.
        (r"^decoder\.decoder_(?:layers|encoder\.layer)\.(?=\d)", "decoder_blocks."),
        (r"^decoder\.", ""),
    )
)
_WITHIN_BLOCK = {
    f"{theirs}.{kind}": f"{ours}.{kind}"
    for theirs, ours in {
        "attention.attention.query": "attn.q",
        "attention.attention.key": "attn.k",
        "attention.attention.value": "attn.v",
        "attention.output.dense": "attn.proj",
        "attention.q_proj": "attn.q",
        "attention.k_proj": "attn.k",
        "attention.v_proj": "attn.v",
        "attention.o_proj": "attn.proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
        "layernorm_before": "norm1",
        "layernorm_after": "norm2",
    }.items()
    for kind in ("weight", "bias")
}
_OURS = {
    "patch_embed.proj.weight": "embed.weight",
    "patch_embed.proj.bias": "embed.bias",
    "decoder_pred.weight": "decoder_head.weight",
    "decoder_pred.bias": "decoder_head.bias",
    "pos_embed": "position",
    "decoder_pos_embed": "decoder_position",
}


def is_decoder(name: str) -> bool:
    """Say whether a tensor of FaceMAE belongs to its decoder."""
    return name.startswith(("decoder_", "mask_token"))


def to_face_mae(path: Path, state: Mapping[str, Tensor]) -> ForeignState:
    """Rename and reshape ``state``, read from ``path``, to FaceMAE's; its layout is told by its names.

    Positions come as ``position`` and ``decoder_position`` [1,1+G*G,D]. A classifier (``head.*``) is ignored.
    Raises WeightsError for names of no known layout.
    """
    if any(_HUGGING_FACE.match(name) for name in state):
        layout = "Hugging Face"
        state = _joined(_renamed(state, _original_name))
    elif any(_ORIGINAL.match(name) for name in state):
        layout = "original"
    else:
        raise WeightsError(
            f"weights {path} are in no known layout of a masked autoencoder; it holds {', '.join(list(state)[:3])} …",
            hint="docs/weights.md lists the layouts",
        )
    tensors = _renamed(state, lambda name: _OURS.get(name, name))
    ignored = tuple(name for name in tensors if name in ("head.weight", "head.bias"))
    kept = {name: tensor for name, tensor in tensors.items() if name not in ignored}
    if kept.get("embed.weight", torch.empty(0)).ndim == 4:
        kept["embed.weight"] = kept["embed.weight"].permute(0, 2, 3, 1).flatten(1)
    extent = "encoder and decoder" if any(map(is_decoder, kept)) else "encoder alone"
    return ForeignState(layout=f"{layout}, {extent}", tensors=kept, ignored=ignored)


def _renamed(state: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Rename; of two tensors that would share a name the second keeps its own, so that matching refuses it."""
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        new = rename(name)
        out[name if new in out else new] = tensor
    return out


def _original_name(name: str) -> str:
    for pattern, start in _FROM_HUGGING_FACE:
        renamed, count = pattern.subn(start, name)
        if count:
            break
    else:
        return name
    block = _BLOCK.match(renamed)
    if block is None:
        return renamed
    rest = renamed[block.end() :]
    return f"{block.group()}{_WITHIN_BLOCK[rest]}" if rest in _WITHIN_BLOCK else name


def _joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join query, key and value, in this order, to the ``attn.qkv`` of timm; an incomplete triple stays apart."""
    out = dict(state)
    for name in state:
        if not name.endswith((".attn.q.weight", ".attn.q.bias")):
            continue
        start, _, kind = name.rpartition("q.")
        parts = [f"{start}{part}.{kind}" for part in "qkv"]
        if all(part in out for part in parts):
            out[f"{start}qkv.{kind}"] = torch.cat([out.pop(part) for part in parts])
    return out
