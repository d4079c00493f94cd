from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ofer_bench.core.errors import DatasetMissing, OferBenchError, SpecError, UnknownName
from ofer_bench.core.expressions import EXPRESSIONS, Expression
from ofer_bench.core.hashing import canonical_json, digest, file_digest
from ofer_bench.core.naming import close_names, file_name
from ofer_bench.core.pixels import to_bytes
from ofer_bench.core.seeding import derive_rng, derive_seed, torch_seed
from ofer_bench.core.types import FaceSet


def test_the_seven_expressions_of_the_paper_have_stable_indices() -> None:
    assert EXPRESSIONS == ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
    assert [e.index for e in Expression] == list(range(7))


@pytest.mark.parametrize(
    ("spelling", "name"), [("Happy", "happiness"), ("neural", "neutral"), (" ANGER ", "anger"), ("afraid", "fear")]
)
def test_spellings_of_data_sets_map_to_canonical_names(spelling: str, name: str) -> None:
    assert Expression.from_name(spelling).value == name


def test_an_unknown_expression_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'happiness'"):
        Expression.from_name("hapiness")


def test_errors_carry_fix_and_exit_code() -> None:
    missing = DatasetMissing("RAF-DB", root="/data/raf", hint="set its root")
    assert missing.exit_code == 3
    assert "fix: set its root" in str(missing)
    assert str(SpecError("a.yaml", "bad", line=3)).startswith("a.yaml:3: bad")
    assert issubclass(UnknownName, OferBenchError)


def test_digest_is_sha256_of_canonical_json() -> None:
    value = {"b": [1, 2.5], "a": "ä"}
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical_json(value) == text
    assert digest(value) == hashlib.sha256(text.encode()).hexdigest()[:24]
    assert digest({"a": "ä", "b": [1, 2.5]}) == digest(value)


def test_file_digest_reads_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert file_digest(path) == hashlib.sha256(b"abc").hexdigest()[:24]


def test_derived_seeds_differ_by_part_and_repeat() -> None:
    assert derive_seed("a", 1) == derive_seed("a", 1)
    assert derive_seed("a", 1) != derive_seed("a", 2)
    assert 0 <= derive_seed("x") < 2**63
    assert derive_rng("a", "sample-1").random() == derive_rng("a", "sample-1").random()


def test_torch_seed_leaves_the_callers_state_alone() -> None:
    before = torch.get_rng_state()
    with torch_seed(7):
        first = torch.rand(3)
    with torch_seed(7):
        second = torch.rand(3)
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


def test_names() -> None:
    assert close_names("Syn-Parafce", ["ParaFace", "Syn-ParaFace"])[0] == "Syn-ParaFace"
    assert file_name("oracle+mae on clean/x") == "oracle-mae-on-clean-x"


def test_a_face_set_gives_float_batches(faces: FaceSet) -> None:
    mask = np.zeros((len(faces), 32, 32), dtype=bool)
    mask[3, 4:8] = True
    occluded = FaceSet(
        image=faces.image, label=faces.label, sample_id=faces.sample_id, occluded=mask, clean=faces.image
    )
    batch = occluded.batch([3, 1])
    assert batch.image.shape == (2, 3, 32, 32)
    assert batch.image.dtype == torch.float32
    assert torch.equal((batch.image[0] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(faces.image[3]))
    np.testing.assert_array_equal(to_bytes(batch.image), faces.image[[3, 1]])
    assert batch.sample_id == ("toy-003", "toy-001")
    assert batch.occluded is not None
    assert batch.occluded.shape == (2, 1, 32, 32)
    assert int(batch.occluded[0].sum()) == 4 * 32
    assert batch.clean is not None
    assert torch.equal(batch.clean, batch.image)
    assert [len(b) for b in occluded.batches(6)] == [6, 6, 2]
    assert occluded.subset([5]).sample_id == ("toy-005",)
