"""Eq. 4 and 5 and the terms under them, written out."""

import math

import pytest
import torch

from ofer_bench.api import PluginError
from ofer_bench.latent_ofer.losses import (
    LossTerms,
    LossWeights,
    consistency_loss,
    reconstruction_loss,
    relativistic_loss,
    semantic_consistency,
)


def softmax(row):
    exponent = [math.exp(v - max(row)) for v in row]
    return [e / sum(exponent) for e in exponent]


def test_equation_4():
    generator = torch.Generator().manual_seed(0)
    logits, truth = torch.randn(2, 3, 7, generator=generator)
    total = 0.0
    for n in range(3):
        p_gt, p_rec = softmax(truth[n].tolist()), softmax(logits[n].tolist())
        total -= sum(gt * math.log(rec) for gt, rec in zip(p_gt, p_rec, strict=True))
    assert float(semantic_consistency(logits, truth)) == pytest.approx(total / 3, rel=1e-5)
    # Least where both distributions agree.
    assert semantic_consistency(truth, truth) < semantic_consistency(logits, truth)


def test_equation_5():
    terms = LossTerms(
        reconstruction=torch.tensor(3.0),
        consistency=torch.tensor(5.0),
        semantic_consistency=torch.tensor(7.0),
        patch_discriminator=torch.tensor(11.0),
        feature_discriminator=torch.tensor(13.0),
    )
    assert float(terms.total(LossWeights())) == pytest.approx(1 * 3 + 0.01 * 5 + 1 * 7 + 0.002 * (11 + 13))
    changed = LossWeights.from_extra({"loss_weights": {"semantic_consistency": 0}})
    assert float(terms.total(changed)) == pytest.approx(3 + 0.05 + 0.048)


def test_unknown_weights_are_refused():
    with pytest.raises(PluginError, match="semantic_consistency"):
        LossWeights.from_extra({"loss_weights": {"sc": 1}})


def test_relativistic_loss_by_hand():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -1.0, 0.4])
    mean_real, mean_fake = 2.0, -0.2
    first = ((1 - mean_fake - 1) ** 2 + (3 - mean_fake - 1) ** 2) / 2
    second = sum((f - mean_real + 1) ** 2 for f in (0.0, -1.0, 0.4)) / 3
    assert float(relativistic_loss(real, fake)) == pytest.approx((first + second) / 2, rel=1e-5)


def test_reconstruction_loss_weighs_the_hole():
    image, target = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    target[0, :, 0, 0] = 0.4
    target[0, :, 1, 1] = 0.2
    hole = torch.tensor([[[[True, False], [False, False]]]])
    assert float(reconstruction_loss(image, target, hole)) == pytest.approx(0.6 / 4 + 0.4)


def test_consistency_sees_the_hole_only():
    generator = torch.Generator().manual_seed(0)
    features, target = torch.randn(2, 2, 3, 4, 4, generator=generator)
    hole = torch.rand(2, 1, 4, 4, generator=generator) < 0.4
    squares = [
        float((features[b, c, y, x] - target[b, c, y, x]) ** 2)
        for b in range(2)
        for c in range(3)
        for y in range(4)
        for x in range(4)
        if hole[b, 0, y, x]
    ]
    assert float(consistency_loss(features, target, hole)) == pytest.approx(sum(squares) / len(squares), rel=1e-5)
    assert float(consistency_loss(features, target, torch.zeros_like(hole))) == 0
