"""What each metric is: definition id, unit and direction, so that no table needs special cases."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from ofer_bench.core.errors import UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """Metadata of one metric.

    ``name`` is what is measured, ``definition`` the id of the exact definition: two definitions of one name
    never share a table column. ``unit`` is ``1`` (a plain number), ``dB`` or ``nat``. ``higher_is_better``
    is None where neither direction is better. ``title`` is for table heads.
    """

    name: str
    definition: str
    title: str
    unit: str = "1"
    higher_is_better: bool | None = True


PSNR_WHOLE = "psnr/whole/rgb"
PSNR_COMPOSITED = "psnr/whole/rgb/composited"
PSNR_HOLE = "psnr/hole/rgb"
SSIM_WHOLE = "ssim/gauss1.5-11/whole"
SSIM_COMPOSITED = "ssim/gauss1.5-11/whole/composited"
SSIM_HOLE = "ssim/gauss1.5-11/hole"
DEFAULT_TAU = 0.5
"""Covered share from which a patch counts as occluded."""


def detection_info(tau: float = DEFAULT_TAU) -> tuple[MetricInfo, ...]:
    """Return the detection metrics; their ids carry ``tau``, on which every value depends."""
    rows = (
        ("patch_accuracy", "Patch accuracy", True),
        ("patch_precision", "Patch precision", True),
        ("patch_recall", "Patch recall", True),
        ("patch_f1", "Patch F1", True),
        ("patch_auroc", "Patch AUROC", True),
        ("patch_ap", "Patch average precision", True),
        ("patch_fpr95", "Patch FPR at 95 % TPR", False),
        ("patch_prevalence", "Occluded patches", None),
    )
    return tuple(
        MetricInfo(name=name, definition=f"{name}/pooled/tau{tau:g}", title=title, higher_is_better=better)
        for name, title, better in rows
    )


METRICS: tuple[MetricInfo, ...] = (
    MetricInfo(name="accuracy", definition="accuracy/failures-wrong", title="Accuracy"),
    MetricInfo(name="balanced_accuracy", definition="balanced-accuracy/failures-wrong", title="Balanced accuracy"),
    MetricInfo(name="macro_f1", definition="macro-f1/failures-wrong", title="Macro F1"),
    MetricInfo(name="recall", definition="recall/per-class/failures-wrong", title="Recall"),
    MetricInfo(name="auc_occ", definition="auc-occ/trapezoid", title="Area under accuracy over occlusion"),
    MetricInfo(name="rel_auc_occ", definition="auc-occ/trapezoid/relative", title="Relative area"),
    MetricInfo(name="r50", definition="r50/linear", title="Ratio at half the accuracy above chance"),
    MetricInfo(name="flip_rate", definition="flip-rate", title="Changed predictions", higher_is_better=False),
    MetricInfo(name="harm", definition="flips/right-to-wrong", title="Right to wrong", higher_is_better=False),
    MetricInfo(name="help", definition="flips/wrong-to-right", title="Wrong to right"),
    MetricInfo(name="recovery", definition="recovery/accuracy", title="Recovered accuracy"),
    MetricInfo(name="ece", definition="ece/top-label/width15", title="ECE", higher_is_better=False),
    MetricInfo(name="brier", definition="brier/sum-over-classes", title="Brier score", higher_is_better=False),
    MetricInfo(name="nll", definition="nll/natural", title="NLL", unit="nat", higher_is_better=False),
    MetricInfo(name="psnr", definition=PSNR_WHOLE, title="PSNR", unit="dB"),
    MetricInfo(name="psnr", definition=PSNR_COMPOSITED, title="PSNR, composited", unit="dB"),
    MetricInfo(name="psnr", definition=PSNR_HOLE, title="PSNR in the hole", unit="dB"),
    MetricInfo(name="ssim", definition=SSIM_WHOLE, title="SSIM"),
    MetricInfo(name="ssim", definition=SSIM_COMPOSITED, title="SSIM, composited"),
    MetricInfo(name="ssim", definition=SSIM_HOLE, title="SSIM in the hole"),
    MetricInfo(
        name="restored_expression", definition="restored-expression/hole-alone", title="Expression of the restored part"
    ),
    *detection_info(),
)
"""Every metric of the package in table order; detection at the default tau."""


def metric_info(key: str) -> MetricInfo:
    """Look a metric up by definition id, or by name for its first definition. UnknownName otherwise."""
    for info in METRICS:
        if key in (info.definition, info.name):
            return info
    known = sorted({info.definition for info in METRICS} | {info.name for info in METRICS})
    raise UnknownName("metric", key, known, get_close_matches(key, known, n=1))
