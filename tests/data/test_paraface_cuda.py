"""The renderer on GPUs, none of which is needed: warp carries NVIDIA's compiler, and the CPU stands in."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import warp as wp

from ofer_bench.data.paraface import colouring, lighting, raster, renderer
from ofer_bench.data.paraface.build import build_paraface
from ofer_bench.data.paraface.part import Part
from ofer_bench.data.paraface.renderer import rendering_device

KERNELS = (raster, lighting, colouring)


@pytest.mark.parametrize("module", KERNELS)
def test_kernels_compile_for_cuda(module, tmp_path: Path) -> None:
    wp.init()
    if not wp.get_cuda_supported_archs():
        pytest.skip("this warp was built without CUDA")
    wp.compile_aot_module(module, arch=80, module_dir=tmp_path)
    assert [path for path in tmp_path.iterdir() if ".sm80" in path.name and path.stat().st_size]


@pytest.fixture
def rounding_of_gpus() -> Iterator[None]:
    """Products are added unrounded, as NVIDIA's compiler does unless told otherwise."""
    for module in KERNELS:
        wp.set_module_options({"cpu_compiler_flags": "-march=native -ffp-contract=fast"}, module)
    yield
    for module in KERNELS:
        wp.set_module_options({"cpu_compiler_flags": None}, module)


@pytest.mark.parametrize("props", ["none", "all"])
def test_rounding_as_gpus_do_changes_few_pixels(props: str, request) -> None:
    part = Part(people="train", image_size=64, subjects=6, props=props)
    here, _ = build_paraface(part)
    request.getfixturevalue("rounding_of_gpus")
    there, _ = build_paraface(part)
    apart = np.abs(here.image.astype(int) - there.image).max(axis=-1)
    assert apart.any()
    assert (apart > 2).mean() < 1e-3
    if props != "none":
        assert (here.occluded != there.occluded).mean() < 1e-3


@pytest.mark.parametrize(("arch", "chosen"), [(70, "cpu"), (75, "cuda:1"), (90, "cuda:1")])
def test_a_gpu_that_warp_does_not_compile_for_is_left_alone(monkeypatch, arch: int, chosen: str) -> None:
    monkeypatch.setattr(wp, "get_device", lambda name: SimpleNamespace(is_cpu=name == "cpu", arch=arch))
    monkeypatch.setattr(wp, "get_cuda_supported_archs", lambda: [75, 80, 90])
    assert rendering_device("cuda:1") == chosen
    assert rendering_device("cpu") == "cpu"


def test_the_cpu_renders_where_warp_finds_no_driver(monkeypatch) -> None:
    """Torch may see a GPU that warp does not: its driver is older, or it is of another make."""
    get_device = wp.get_device

    def without_driver(name: str) -> wp.Device:
        if str(name).startswith("cuda"):
            raise RuntimeError("CUDA is not supported by the hardware or driver")
        return get_device(name)

    monkeypatch.setattr(wp, "get_device", without_driver)
    part = Part(people="train", image_size=32, subjects=1)
    with pytest.warns(RuntimeWarning, match="warp can't use cuda"):
        there, _ = build_paraface(part, device="cuda")
    here, _ = build_paraface(part, device="cpu")
    np.testing.assert_array_equal(there.image, here.image)


class Turns:
    """A lock that knows which thread holds it."""

    def __init__(self) -> None:
        self._lock, self.holder = threading.Lock(), 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self.holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self.holder = 0
        self._lock.release()


def test_threads_make_and_drop_meshes_in_turns(monkeypatch) -> None:
    """Warp's register of the meshes on a GPU breaks when two threads write to it; here the CPU takes turns too."""
    turns, builder, mine = Turns(), threading.get_ident(), []
    monkeypatch.setattr(renderer, "nullcontext", lambda: turns)
    for name in ("__init__", "__del__"):
        done = getattr(wp.Mesh, name)

        def watched(mesh, *args, done=done, **kwargs):
            if threading.get_ident() != builder:
                mine.append(turns.holder == threading.get_ident())
            return done(mesh, *args, **kwargs)

        monkeypatch.setattr(wp.Mesh, name, watched)
    part = Part(people="train", image_size=32, subjects=4, props="all")
    in_turns, _ = build_paraface(part, workers=3)
    assert len(mine) > 4 * 2 * 7
    assert all(mine)
    monkeypatch.undo()
    at_once, _ = build_paraface(part, workers=3)
    np.testing.assert_array_equal(in_turns.image, at_once.image)


def test_no_word_of_gpus_to_those_who_want_none() -> None:
    """In a process of its own, since warp starts once."""
    code = (
        "import sys; from ofer_bench.data.paraface.renderer import rendering_device; "
        "rendering_device('cpu'); print('x', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "x\n")
