"""How far ParaFace reaches: a classifier trained on rendered faces only, tested on photographs.

``python tests/benchmarks/rendered_to_real.py PHOTOS`` with ``PHOTOS/labels.csv`` (columns ``file``, ``label``). The
decision is among seven classes; the figure is the balanced accuracy over the classes that the photographs show.
Nothing is trained or selected on the photographs: the last epoch counts, and validation faces are rendered too, plain
ones and ones of the shifted domain, without things before the face. The last weights and their running mean are both
told; with several ``--seeds`` also what their networks decide together. Eyes and mouth are found by a network that was
trained on rendered faces as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from landmarks import Landmarker, align, misses, train_landmarker
from photographic import cut_frame, lit, photographed, stretched
from sklearn.metrics import confusion_matrix, recall_score, roc_auc_score
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import ComponentSettings, random_affine, random_erasing
from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.core.types import FaceSet
from ofer_bench.data.decode import decode_image
from ofer_bench.data.paraface.build import build_paraface
from ofer_bench.data.paraface.part import Part

MARGIN = 0.05
MEAN_DECAY = 0.998
WIDE_SIZE, WIDE_MARGIN, LANDMARK_EPOCHS = 64, 0.35, 10


class HalfInstanceNorm(nn.Module):
    """Instance norm on half of the channels, batch norm on the others (IBN-Net, Pan et al., ECCV 2018).

    What differs between pictures but not within one (camera, tone, strength of the light) stays out of the first half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.instance = nn.InstanceNorm2d(self.half, affine=True)
        self.batch = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B,C,H,W], normalised."""
        return torch.cat([self.instance(x[:, : self.half]), self.batch(x[:, self.half :])], dim=1)


def network(width: int, size: int) -> ResNet18:
    """ResNet-18 with half instance norm in its stem and in the first convolution of the blocks of three stages."""
    shape = {"width": width, "stem": "small"}
    model = ResNet18(ComponentSettings(image_size=size, patch_size=8, num_classes=len(EXPRESSIONS), model=shape))
    net = model.trunk.net
    net.bn1 = HalfInstanceNorm(width)
    for block in (*net.layer1, *net.layer2, *net.layer3):
        block.bn1 = HalfInstanceNorm(block.bn1.num_features)
    return model


def augment(image: Tensor, generator: torch.Generator) -> Tensor:
    """Everything in which an unknown face and camera may differ.

    Length of the face, frame, light, also on single features, colour, grey, blur, grain, a hidden part.
    """
    image = random_affine(stretched(lit(image, generator, 6), generator), generator, degrees=8, scale=0.15, shift=0.05)
    image = photographed(cut_frame(image, generator, lowest=0.75), generator)
    return random_erasing(image, generator, probability=0.3)


def train(faces: FaceSet, val: FaceSet, *, epochs: int, width: int, seed: int) -> dict[str, ResNet18]:
    """Train on rendered faces; returns the network with its ``last`` weights, and with the running ``mean`` of them.

    The learning rate falls to zero, so that the last epoch is the one to take.
    """
    torch.manual_seed(seed)
    model = network(width, faces.image.shape[1])
    mean = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(MEAN_DECAY), use_buffers=True)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    steps = epochs * (len(faces) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(faces), generator=generator).numpy()
        for start in range(0, len(faces) - 63, 64):
            batch = faces.batch(order[start : start + 64])
            image = augment(batch.image, generator)
            # Nearly twice as fast on processors that multiply bfloat16.
            with torch.autocast("cpu", torch.bfloat16):
                logits = model.logits(image).float()
            loss = F.cross_entropy(logits, batch.label, label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            mean.update_parameters(model)
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, rendered validation {accuracy(model, val):.3f}", flush=True)
    return {"last": model, "mean": mean.module}


@torch.no_grad()
def scores(model: ResNet18, image: Tensor) -> Tensor:
    """Log-probability of each class [B,7] for faces [B,3,S,S]; the mirrored face has a say too."""
    model.eval()
    logits = [model.logits(part) + model.logits(part.flip(-1)) for part in image.split(64)]
    return (torch.cat(logits) / 2).log_softmax(dim=1)


def accuracy(model: ResNet18, faces: FaceSet) -> float:
    """Share of ``faces`` recognised."""
    right = [int((scores(model, batch.image).argmax(1) == batch.label).sum()) for batch in faces.batches(128)]
    return sum(right) / len(faces)


def photographs(folder: Path, landmarker: Landmarker, size: int) -> tuple[Tensor, np.ndarray]:
    """Read and align the photographs of ``labels.csv``: [N,3,``size``,``size``] in [0,1] and class numbers."""
    table = pd.read_csv(folder / "labels.csv")
    images = []
    for name in table["file"]:
        picture = torch.from_numpy(decode_image(folder / name, 256).copy()).permute(2, 0, 1)[None].float() / 255
        images.append(align(landmarker, picture, WIDE_SIZE, size, MARGIN)[0])
    return torch.cat(images), np.array([EXPRESSIONS.index(label) for label in table["label"]])


def main() -> None:
    """Render, train, test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--subjects", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--size", type=int, default=64, help="side of the faces in pixels")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--partial", type=Path, default=None, help="folder that keeps rendered faces between runs")
    options = parser.parse_args()
    kind = {"image_size": options.size, "margin": MARGIN}
    faces, _ = _rendered("train", options.subjects, options.partial, **kind)
    val, _ = _rendered("val", 40, options.partial, **kind)
    shifted, _ = _rendered("val", 60, options.partial, domain="shifted", **kind)
    frame = {"image_size": WIDE_SIZE, "margin": WIDE_MARGIN}
    wide, index = _rendered("train", options.subjects, options.partial, **frame)
    landmarker = train_landmarker(wide, _places(index), epochs=LANDMARK_EPOCHS, seed=0)
    wide, index = _rendered("val", 60, options.partial, domain="shifted", **frame)
    eyes, mouth = misses(landmarker, wide, _places(index), WIDE_SIZE)
    print(f"landmarks of shifted faces are missed by {eyes:.3f} (eyes) and {mouth:.3f} (mouth) of the eyes' distance")
    image, label = photographs(options.photos, landmarker, options.size)
    together: dict[str, Tensor] = {}
    for seed in range(options.seeds):
        for weights, model in train(faces, val, epochs=options.epochs, width=options.width, seed=seed).items():
            known = f"rendered validation {accuracy(model, val):.3f}, shifted {accuracy(model, shifted):.3f}"
            print(f"seed {seed}, {weights} weights: {known}")
            read = scores(model, image)
            tell(label, read)
            together[weights] = together.get(weights, torch.zeros(())) + read
    if options.seeds > 1:
        for weights, read in together.items():
            print(f"{options.seeds} seeds together, {weights} weights")
            tell(label, read)


def tell(label: np.ndarray, read: Tensor) -> None:
    """Print balanced accuracy of ``read`` [N,7], and what the classes shown were taken for.

    Also how well the two classes are told apart whatever the offset between them, were they the only ones.
    """
    shown = sorted(set(label))
    predicted = read.argmax(dim=1).numpy()
    balanced = recall_score(label, predicted, labels=shown, average="macro")
    print("balanced accuracy on photographs", round(float(balanced), 3))
    if len(shown) == 2:
        lead = read[:, shown[1]] - read[:, shown[0]]
        print("area under the ROC curve of the two classes", round(float(roc_auc_score(label == shown[1], lead)), 3))
    counts = confusion_matrix(label, predicted, labels=range(len(EXPRESSIONS)))[shown]
    print(pd.DataFrame(counts, index=[EXPRESSIONS[i] for i in shown], columns=EXPRESSIONS).to_string(), flush=True)


def _rendered(people: str, subjects: int, partial: Path | None, **kind: Any) -> tuple[FaceSet, list[dict[str, object]]]:
    """Render a part; ``kind`` are further fields of Part."""
    part = Part(people=people, subjects=subjects, **kind)
    return build_paraface(part, partial=partial, progress=lambda done, total, what: _tell(people, done, total, what))


def _places(index: list[dict[str, object]]) -> np.ndarray:
    """Eyes and mouth [N,3,2] of an index."""
    return np.array([row["landmarks"] for row in index]).reshape(-1, 3, 2)


def _tell(people: str, done: int, total: int, what: str) -> None:
    if done % 700 == 0:
        print(f"{people}: {what} {done}/{total}", flush=True)


if __name__ == "__main__":
    main()
