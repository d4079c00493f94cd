"""A System in memory: detector x reconstructor x classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ofer_bench.core.types import Detection, FaceBatch, Prediction, Reconstruction
from ofer_bench.engine.restoring import Hole


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemOutput:
    """Everything a system says of a batch; without detector and reconstructor the first two are None."""

    detection: Detection | None
    reconstruction: Reconstruction | None
    prediction: Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Trained components of one system. ``image_size`` in pixels is what it expects."""

    id: str
    image_size: int
    patch_size: int
    device: str
    classifier: Any
    detector: Any = None
    reconstructor: Any = None

    def __call__(self, batch: FaceBatch) -> SystemOutput:
        """Detect, mask, reconstruct and recognise (paper, Figure 2); ``batch`` lies on the system's device.

        Each part is called once for all faces, and takes from the one before it tensors in memory. Every part encodes
        what it is given itself: a restored face is another input than the occluded one.
        """
        if self.detector is None:
            return SystemOutput(detection=None, reconstruction=None, prediction=self.classifier.predict(batch))
        detection = self.detector.detect(batch)
        hole = Hole.of_detection(detection.mask_patch, detection.mask_px, self.patch_size)
        restored = hole.composite(self.reconstructor.reconstruct(batch, hole.patches), batch.image)
        prediction = self.classifier.predict(batch.with_image(restored.composited))
        return SystemOutput(detection=detection, reconstruction=restored, prediction=prediction)
