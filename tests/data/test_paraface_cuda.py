"""The renderer's kernels compile for GPUs, none of which is needed: warp carries NVIDIA's compiler."""

from pathlib import Path

import pytest
import warp as wp

from ofer_bench.data.paraface import colouring, lighting, raster


@pytest.mark.parametrize("module", [raster, lighting, colouring])
def test_kernels_compile_for_cuda(module, tmp_path: Path) -> None:
    wp.init()
    if not wp.get_cuda_supported_archs():
        pytest.skip("this warp was built without CUDA")
    wp.compile_aot_module(module, arch=80, module_dir=tmp_path)
    assert [path for path in tmp_path.iterdir() if ".sm80" in path.name and path.stat().st_size]
