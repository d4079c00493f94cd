"""Speed of ParaFace: ``python tests/benchmarks/bench_paraface.py``.

Images per second on all cores, head model and compilation excluded, and the time of one image on one core as a
ratio to casting the same four rays per pixel at the bare head with warp, without any shading.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import warp as wp

from ofer_bench.core.expressions import Expression
from ofer_bench.data.paraface.build import default_workers
from ofer_bench.data.paraface.model import HeadModel, load_head_model
from ofer_bench.data.paraface.sampling import draw_shot, draw_subject
from ofer_bench.data.paraface.skin_map import SkinMap, sheet_size
from ofer_bench.data.paraface.studio import Studio
from ofer_bench.data.paraface.wrinkles import fold_sheets

SUBJECTS = {64: 24, 112: 16, 224: 8}


@wp.kernel
def _cast(mesh: wp.uint64, side: wp.int32, out: wp.array2d[wp.float32]) -> None:
    row, column = wp.tid()  # type: ignore[misc]
    origin = wp.vec3(0.0, 7.05, 14.0)
    x = (wp.float32(column) + 0.5) / wp.float32(side) * 1.7 - 0.85
    y = 7.9 - (wp.float32(row) + 0.5) / wp.float32(side) * 1.7
    hit = wp.mesh_query_ray(mesh, origin, wp.normalize(wp.vec3(x, y, 1.2) - origin), 100.0)
    out[row, column] = hit.t


def bare_rays(head: HeadModel, size: int) -> float:
    """Seconds for 2x2 primary rays a pixel at the resting head, on one core."""
    points = wp.array(head.rest.astype(np.float32), dtype=wp.vec3)
    mesh = wp.Mesh(points=points, indices=wp.array(head.triangles.ravel(), dtype=wp.int32))
    out = wp.zeros((2 * size, 2 * size), dtype=wp.float32)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        wp.launch(_cast, dim=out.shape, inputs=[mesh.id, 2 * size], outputs=[out])
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print one line per image size."""
    head = load_head_model()
    for size, count in SUBJECTS.items():
        skin = SkinMap(head, sheet_size(size))
        folds = fold_sheets(skin)
        studios = [Studio(head, skin, folds, batch_size=7, image_size=size) for _ in range(default_workers())]

        def shoot(number: int, studios: list[Studio] = studios) -> None:
            subject = draw_subject("bench", number, 0)
            studios[number % len(studios)].photograph(subject, [draw_shot(subject, e, 0, 0) for e in Expression])

        def lane(first: int, count: int = count, studios: list[Studio] = studios) -> None:
            for number in range(first, count, len(studios)):
                shoot(number)

        for number in range(len(studios)):
            shoot(number)
        start = time.perf_counter()
        with ThreadPoolExecutor(len(studios)) as pool:
            list(pool.map(lane, range(len(studios))))
        together = 7 * count / (time.perf_counter() - start)
        start = time.perf_counter()
        lane(0, 4 * len(studios))
        alone = (time.perf_counter() - start) / 28
        ratio = alone / bare_rays(head, size)
        print(
            f"{size:4d} px: {together:6.1f} images/s on {len(studios)} cores; one image = {ratio:.2f} x its bare rays"
        )


if __name__ == "__main__":
    main()
