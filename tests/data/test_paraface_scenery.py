"""Light, camera, background and looks as they are drawn, and the way from light to a photograph."""

import io
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from ofer_bench.data.paraface.appearance import Appearance, draw_appearance
from ofer_bench.data.paraface.develop import develop
from ofer_bench.data.paraface.hair import HAIR_STYLES
from ofer_bench.data.paraface.part import DOMAINS
from ofer_bench.data.paraface.scenery import (
    BACKDROP_SIZE,
    FRONTAL_SHARE,
    STUDIO_SHARE,
    Scenery,
    draw_scenery,
    paint_backdrop,
)

DRAWS = 300


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Scenery]]:
    return {domain: [draw_scenery(np.random.default_rng(n), domain) for n in range(DRAWS)] for domain in DOMAINS}


@pytest.fixture(scope="module")
def plain(drawn: dict[str, list[Scenery]]) -> Scenery:
    """A camera that does nothing to the light."""
    return replace(
        drawn["plain"][0], blur=0.0, grain=0.0, jpeg=0, exposure=1.0, contrast=0.0, tint=(1.0, 1.0, 1.0), pixel_seed=3
    )


def people(male: bool, age: float, ancestry: tuple[float, float, float], count: int = 60) -> list[Appearance]:
    return [
        draw_appearance(np.random.default_rng(n), male=male, age=age, ancestry=np.array(ancestry)) for n in range(count)
    ]


def flat(level: float, size: int = 48) -> np.ndarray:
    return np.full((size, size, 3), level, dtype=np.float32)


def test_one_seed_is_one_scenery(drawn: dict[str, list[Scenery]]) -> None:
    for domain in DOMAINS:
        assert draw_scenery(np.random.default_rng(4), domain) == drawn[domain][4]
        assert len({scenery.pixel_seed for scenery in drawn[domain]}) == DRAWS


def test_sceneries_are_plausible(drawn: dict[str, list[Scenery]]) -> None:
    for scenery in (s for each in drawn.values() for s in each):
        for name in ("key_direction", "fill_direction", "rim_direction"):
            assert np.linalg.norm(getattr(scenery, name)) == pytest.approx(1.0)
        # The key lamp stands before the face, the rim lamp behind it, key and fill on opposite sides.
        assert scenery.key_direction[2] > 0.0 > scenery.rim_direction[2]
        assert scenery.key_direction[0] * scenery.fill_direction[0] <= 0.0
        for name in ("key", "fill", "rim", "sky", "ground", "backdrop_colour", "tint"):
            assert min(getattr(scenery, name)) >= 0.0
        assert min(scenery.key) > 0.2
        assert min(scenery.sky) > 0.0
        assert scenery.camera >= 5.0
        assert scenery.jpeg == 0 or 35 <= scenery.jpeg < 98
        assert 0.3 < scenery.exposure < 3.0


def test_shifted_light_and_cameras_are_harsher(drawn: dict[str, list[Scenery]]) -> None:
    def of(domain: str, name: str) -> np.ndarray:
        return np.array([getattr(scenery, name) for scenery in drawn[domain]])

    def key_share(domain: str) -> np.ndarray:
        key, fill, sky = (of(domain, name).mean(axis=1) for name in ("key", "fill", "sky"))
        return key / (key + fill + sky)

    def one_sided(domain: str) -> np.ndarray:
        lamps = [of(domain, f"{name}_direction")[:, 0] * of(domain, name).mean(axis=1) for name in ("key", "fill")]
        return np.sum(lamps, axis=0)

    assert np.median(key_share("shifted")) > np.median(key_share("plain")) + 0.1
    assert np.mean(key_share("shifted") > np.percentile(key_share("plain"), 90)) > 0.4
    for name, factor in (("blur", 1.8), ("grain", 2.0)):
        assert of("shifted", name).mean() > factor * of("plain", name).mean()
    side = {domain: np.abs(one_sided(domain)) for domain in DOMAINS}
    assert side["shifted"].mean() > 1.3 * side["plain"].mean()
    assert of("shifted", "camera").mean() < of("plain", "camera").mean() - 3
    quality = {domain: of(domain, "jpeg")[of(domain, "jpeg") > 0] for domain in DOMAINS}
    assert quality["shifted"].max() <= quality["plain"].min()
    assert len(quality["shifted"]) > 1.4 * len(quality["plain"])
    assert np.log(of("shifted", "exposure")).std() > 1.5 * np.log(of("plain", "exposure")).std()


def test_laboratory_light_comes_from_both_sides_and_is_plain(drawn: dict[str, list[Scenery]]) -> None:
    def from_both_sides(scenery: Scenery) -> bool:
        key, fill = scenery.key_direction, scenery.fill_direction
        sides = key[0] * fill[0] < 0 and min(abs(key[0]), abs(fill[0])) > 0.25
        powers = 0.69 <= np.mean(scenery.fill) / np.mean(scenery.key) <= 1.01
        return bool(sides and powers and np.mean(scenery.sky) < np.mean(scenery.fill))

    assert np.mean([from_both_sides(scenery) for scenery in drawn["plain"]]) == pytest.approx(STUDIO_SHARE, abs=0.1)
    assert np.mean([from_both_sides(scenery) for scenery in drawn["shifted"]]) < 0.05


def test_some_plain_light_comes_from_the_camera(drawn: dict[str, list[Scenery]]) -> None:
    def from_camera(scenery: Scenery) -> bool:
        straight = scenery.key_direction[2] > 0.93 and -0.1 < scenery.key_direction[1] < 0.22
        return bool(straight and np.mean(scenery.key) > 5 * np.mean(scenery.fill))

    assert np.mean([from_camera(scenery) for scenery in drawn["plain"]]) == pytest.approx(FRONTAL_SHARE, abs=0.1)
    assert np.mean([from_camera(scenery) for scenery in drawn["shifted"]]) < 0.15


def test_backdrops(drawn: dict[str, list[Scenery]]) -> None:
    kinds = {scenery.backdrop for each in drawn.values() for scenery in each}
    assert kinds == {"wall", "blobs", "stripes", "studio"}
    edges: dict[str, list[float]] = {kind: [] for kind in kinds}
    for scenery in drawn["plain"][:120]:
        sheet = paint_backdrop(scenery)
        assert sheet.shape == (BACKDROP_SIZE, BACKDROP_SIZE, 3)
        assert sheet.dtype == np.float32
        assert np.isfinite(sheet).all()
        assert sheet.min() >= 0.0 and sheet.max() <= 2.0
        np.testing.assert_array_equal(sheet, paint_backdrop(scenery))
        assert not np.array_equal(sheet, paint_backdrop(replace(scenery, backdrop_seed=scenery.backdrop_seed + 1)))
        edges[scenery.backdrop].append(float(np.abs(np.diff(sheet, axis=1)).max() / sheet.mean()))
        brighter = paint_backdrop(replace(scenery, backdrop_colour=(0.9, 0.9, 0.9)))
        if max(scenery.backdrop_colour) < 0.4:
            assert brighter.mean() > sheet.mean()
    assert np.median(edges["stripes"]) > 3 * np.median(edges["wall"])
    assert np.median(edges["blobs"]) > 3 * np.median(edges["wall"])


def test_tone_is_the_srgb_curve(plain: Scenery) -> None:
    # Reference levels of IEC 61966-2-1.
    for linear, level in ((0.0, 0), (0.002, 7), (0.0452, 60), (0.18, 118), (0.2140, 127), (0.5, 188), (0.7454, 224)):
        image = develop(flat(linear), plain)
        assert image.dtype == np.uint8
        assert image.shape == (48, 48, 3)
        assert np.abs(image.astype(int) - level).max() <= 1


def test_tint_and_exposure_are_factors_of_light(plain: Scenery) -> None:
    tinted = develop(flat(0.2), replace(plain, tint=(1.2, 1.0, 0.5)))
    for channel, factor in enumerate((1.2, 1.0, 0.5)):
        assert np.abs(tinted[..., channel].astype(int) - develop(flat(0.2 * factor), plain)[..., 0]).max() <= 1
    assert np.array_equal(develop(flat(0.2), replace(plain, exposure=1.7)), develop(flat(0.34), plain))


@pytest.mark.parametrize("contrast", [0.0, 1.0])
def test_more_exposure_is_nowhere_darker(plain: Scenery, contrast: float) -> None:
    ramp = np.broadcast_to(np.linspace(0, 1.5, 64, dtype=np.float32)[None, :, None], (64, 64, 3))
    steps = [
        develop(ramp, replace(plain, exposure=exposure, contrast=contrast)).astype(int)
        for exposure in (0.4, 0.7, 1.0, 1.5, 2.5)
    ]
    assert (np.diff(steps, axis=0) >= 0).all()
    assert (np.diff(np.array(steps)[..., 5:40, :].mean(axis=(1, 2, 3))) > 5).all()
    assert (np.diff(steps[2].mean(axis=(0, 2))) >= 0).all()


def test_contrast_pulls_dark_and_light_apart(plain: Scenery) -> None:
    for linear, way in ((0.05, -1), (0.45, 1)):
        soft, hard = (int(develop(flat(linear), replace(plain, contrast=c))[0, 0, 0]) for c in (0.0, 1.0))
        assert way * (hard - soft) > 3


def test_blur_scales_with_the_picture(plain: Scenery) -> None:
    step = np.repeat([0.1, 0.6], 64)[None, :, None].repeat(128, 0).repeat(3, 2).astype(np.float32)
    blurred = develop(step, replace(plain, blur=1.5))
    reference = develop(gaussian_filter(step, (3.0, 3.0, 0)), plain)
    assert np.abs(blurred.astype(int) - reference).max() <= 1
    widths = []
    for size in (64, 128):
        edge = np.repeat([0.1, 0.6], size // 2)[None, :, None].repeat(size, 0).repeat(3, 2).astype(np.float32)
        row = develop(edge, replace(plain, blur=1.5))[size // 2, :, 0].astype(int)
        widths.append(((row > row[0] + 5) & (row < row[-1] - 5)).mean())
    assert widths[0] == pytest.approx(widths[1], rel=0.2)


def test_grain_is_noise_about_the_picture(plain: Scenery) -> None:
    def noise(grain: float, level: float = 0.2, seed: int = 3) -> np.ndarray:
        clean = 255 * (1.055 * level ** (1 / 2.4) - 0.055)
        return develop(flat(level, 96), replace(plain, grain=grain, pixel_seed=seed)) - clean

    assert abs(noise(6.0).mean()) < 0.2
    assert noise(6.0).std() == pytest.approx(6.0, rel=0.2)
    assert noise(8.0).std() == pytest.approx(2 * noise(4.0).std(), rel=0.05)
    assert noise(6.0, level=0.01).std() > 1.3 * noise(6.0, level=0.7).std()
    np.testing.assert_array_equal(noise(6.0), noise(6.0))
    assert not np.array_equal(noise(6.0), noise(6.0, seed=4))


def test_jpeg_leaves_its_marks(plain: Scenery) -> None:
    rng = np.random.default_rng(0)
    light = gaussian_filter(rng.uniform(0, 1, (48, 48, 3)), (1.0, 1.0, 0)).astype(np.float32)
    raw = develop(light, plain)
    errors = []
    for quality in (95, 75, 35):
        image = develop(light, replace(plain, jpeg=quality))
        assert image.dtype == np.uint8 and image.shape == raw.shape
        assert image.flags.writeable
        np.testing.assert_array_equal(image, develop(light, replace(plain, jpeg=quality)))
        buffer = io.BytesIO()
        Image.fromarray(raw).save(buffer, "JPEG", quality=quality, subsampling=0 if quality > 90 else 2)
        np.testing.assert_array_equal(image, np.asarray(Image.open(buffer)))
        errors.append(np.abs(image.astype(int) - raw).mean())
    assert 0 < errors[0] < errors[1] < errors[2] < 20


def test_photographs_of_drawn_sceneries_are_reproducible(drawn: dict[str, list[Scenery]]) -> None:
    light = np.random.default_rng(1).uniform(0, 2.5, (32, 32, 3)).astype(np.float32)
    for scenery in drawn["plain"][:20] + drawn["shifted"][:20]:
        image = develop(light, scenery)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, develop(light.copy(), scenery))


def test_appearance_is_reproducible_and_in_range() -> None:
    everyone = people(True, 40, (0.2, 0.3, 0.5)) + people(False, 40, (0.2, 0.3, 0.5))
    assert everyone[:60] == people(True, 40, (0.2, 0.3, 0.5))
    for person in everyone:
        for name in ("skin", "lips", "hair_colour", "brow_colour", "iris", "cloth", "teeth", "lash"):
            assert min(getattr(person, name)) > 0.0 and max(getattr(person, name)) <= 1.0, name
        assert person.skin[0] > person.skin[1] > person.skin[2]
        assert person.hair.style in HAIR_STYLES
        assert person.hair.colour == person.hair_colour
        for name in ("hair_cover", "freckles", "stubble", "beard_density"):
            assert 0.0 <= getattr(person, name) <= 1.0
        assert 0.0 <= person.ruddiness <= 2.0
        assert all(np.isfinite(value) for value in asdict(person.brow).values())
    assert {field.name for field in fields(Appearance)} >= {"beard", "texture_seed"}
    assert len({person.texture_seed for person in everyone[:60]}) == 60


def test_appearance_follows_gender_age_and_ancestry() -> None:
    def mean(group: list[Appearance], name: str) -> float:
        return float(np.mean([getattr(person, name) for person in group]))

    men, women = people(True, 30, (0.1, 0.1, 0.8)), people(False, 30, (0.1, 0.1, 0.8))
    assert {person.beard for person in women} == {"none"}
    assert mean(women, "stubble") == 0.0 < mean(men, "stubble")
    assert {person.beard for person in men} > {"none", "full"}
    assert any(person.hair.style == "bald" for person in people(True, 30, (0.1, 0.1, 0.8), 200))
    african, asian, european = (people(True, 30, ancestry) for ancestry in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    assert mean(african, "skin") < 0.6 * mean(asian, "skin") < mean(european, "skin")
    assert mean(african, "iris") < 0.5 * mean(european, "iris")
    assert mean(asian, "hair_colour") < 0.5 * mean(european, "hair_colour")
    assert mean(people(True, 78, (0, 1, 0)), "hair_colour") > 5 * mean(asian, "hair_colour")
