"""Colours the samples of a picture and averages them to pixels."""

# No postponed annotations here: warp reads the types of its kernels from the signatures.
import warp as wp

from ofer_bench.data.paraface.geometry import SURFACES
from ofer_bench.data.paraface.model import REGIONS
from ofer_bench.data.paraface.raster import EXTRA, NOTHING
from ofer_bench.data.paraface.scene_arrays import ExtraArrays, HeadArrays, Hit, SkinArrays, camera_ray, find_hit
from ofer_bench.data.paraface.shading import UPPER_TEETH, Look, extra_surface, head_surface, mix, reflect, reflect_hair

_HAIR = wp.constant(SURFACES.index("hair"))
_SKIN = wp.constant(REGIONS.index("skin"))
_TEETH = wp.constant(REGIONS.index("teeth"))


@wp.func
def _bilinear(relief: wp.array3d[wp.float32], image: wp.int32, x: wp.float32, y: wp.float32) -> wp.float32:
    x0 = wp.clamp(wp.int32(wp.floor(x)), 0, relief.shape[2] - 2)
    y0 = wp.clamp(wp.int32(wp.floor(y)), 0, relief.shape[1] - 2)
    fx = wp.clamp(x - wp.float32(x0), 0.0, 1.0)
    fy = wp.clamp(y - wp.float32(y0), 0.0, 1.0)
    top = relief[image, y0, x0] * (1.0 - fx) + relief[image, y0, x0 + 1] * fx
    bottom = relief[image, y0 + 1, x0] * (1.0 - fx) + relief[image, y0 + 1, x0 + 1] * fx
    return top * (1.0 - fy) + bottom * fy


@wp.func
def _texture(albedo: wp.array2d[wp.vec3], x: wp.float32, y: wp.float32) -> wp.vec3:
    x0 = wp.clamp(wp.int32(wp.floor(x)), 0, albedo.shape[1] - 2)
    y0 = wp.clamp(wp.int32(wp.floor(y)), 0, albedo.shape[0] - 2)
    fx = wp.clamp(x - wp.float32(x0), 0.0, 1.0)
    fy = wp.clamp(y - wp.float32(y0), 0.0, 1.0)
    return mix(mix(albedo[y0, x0], albedo[y0, x0 + 1], fx), mix(albedo[y0 + 1, x0], albedo[y0 + 1, x0 + 1], fx), fy)


@wp.func
def _bump(
    image: wp.int32, x: wp.float32, y: wp.float32, resting: wp.vec3, normal: wp.vec3, skin: SkinArrays
) -> wp.vec3:
    """Tilt ``normal`` by the slope of the relief at texel (x, y)."""
    slope_x = (_bilinear(skin.relief, image, x + 0.5, y) - _bilinear(skin.relief, image, x - 0.5, y)) * skin.texels[0]
    slope_y = (_bilinear(skin.relief, image, x, y + 0.5) - _bilinear(skin.relief, image, x, y - 0.5)) * skin.texels[1]
    sideways = wp.normalize(wp.vec3(resting[2] - 0.25, 0.0, -resting[0]))
    slope = sideways * slope_x + wp.vec3(0.0, -slope_y, 0.0)
    return wp.normalize(normal - (slope - normal * wp.dot(slope, normal)))


@wp.func
def _shade(
    h: Hit,
    image: wp.int32,
    ray: wp.vec3,
    seen: wp.vec3,
    look: Look,
    head: HeadArrays,
    extra: ExtraArrays,
    skin: SkinArrays,
) -> wp.vec3:
    """Colour of a visible point."""
    if h.extra:
        kind = extra.surface[h.face]
        colour = extra.colour[h.i] * h.u + extra.colour[h.j] * h.v + extra.colour[h.k] * h.w
        if kind == _HAIR:
            tangent = wp.normalize(extra.tangent[h.i] * h.u + extra.tangent[h.j] * h.v + extra.tangent[h.k] * h.w)
            return reflect_hair(colour, tangent, h.normal, -ray, seen, look)
        return reflect(extra_surface(kind, colour), h.normal, -ray, seen, look)
    region = head.region[h.face]
    resting = head.rest[h.i] * h.u + head.rest[h.j] * h.v + head.rest[h.k] * h.w
    mouth = head.mouth[h.i] * h.u + head.mouth[h.j] * h.v + head.mouth[h.k] * h.w
    normal = h.normal
    painted = wp.vec3(0.0, 0.0, 0.0)
    gloss = wp.float32(0.0)
    if region == _SKIN:
        texel = head.texel[h.i] * h.u + head.texel[h.j] * h.v + head.texel[h.k] * h.w
        lost = _bilinear(skin.shade, image, texel[0], texel[1])
        # What skin sends into its own hollows comes back red.
        kept = wp.vec3(1.0 - 0.85 * lost, 1.0 - lost, 1.0 - lost)
        painted = wp.cw_mul(_texture(skin.albedo, texel[0], texel[1]), kept)
        gloss = skin.gloss[
            wp.clamp(wp.int32(texel[1] + 0.5), 0, skin.gloss.shape[0] - 1),
            wp.clamp(wp.int32(texel[0] + 0.5), 0, skin.gloss.shape[1] - 1),
        ]
        normal = _bump(image, texel[0], texel[1], resting, normal, skin)
    if region == _TEETH and resting[1] > UPPER_TEETH:
        # Light bounces between lips and upper teeth far more often than one ray shows.
        seen = wp.vec3(0.75, 0.75, 0.8) + seen * 0.2
    surface = head_surface(region, resting, wp.clamp(mouth, 0.0, 1.0), painted, gloss, look)
    return reflect(surface, normal, -ray, seen, look)


@wp.kernel(enable_backward=False)
def colour_pixels(
    looks: wp.array[Look],
    to_plane: wp.array2d[wp.vec3],
    turn_back: wp.array[wp.mat33],
    distance: wp.array[wp.float32],
    depth: wp.array3d[wp.uint64],
    seen: wp.array3d[wp.vec3],
    backdrop: wp.array3d[wp.vec3],
    head: HeadArrays,
    extra: ExtraArrays,
    skin: SkinArrays,
    samples: wp.int32,
    out: wp.array3d[wp.vec3],
    cover: wp.array3d[wp.float32],
) -> None:
    """Colour each pixel: samples of one smooth surface are shaded once, others one by one."""
    image, row, column = wp.tid()  # type: ignore[misc]
    look = looks[image]
    width = wp.float32(out.shape[2] * samples)
    total = wp.vec3(0.0, 0.0, 0.0)
    last = wp.vec3(0.0, 0.0, 0.0)
    last_region = wp.int32(-1)
    last_far = wp.float32(0.0)
    hidden = wp.float32(0.0)
    for i in range(samples):
        for j in range(samples):
            key = depth[image, row * samples + i, column * samples + j]
            if key == NOTHING:
                u = wp.float32(column) / wp.float32(out.shape[2]) * wp.float32(backdrop.shape[2] - 1)
                v = wp.float32(row) / wp.float32(out.shape[1]) * wp.float32(backdrop.shape[1] - 1)
                x0 = wp.int32(u)
                y0 = wp.int32(v)
                fx = u - wp.float32(x0)
                total += mix(
                    mix(backdrop[image, y0, x0], backdrop[image, y0, x0 + 1], fx),
                    mix(backdrop[image, y0 + 1, x0], backdrop[image, y0 + 1, x0 + 1], fx),
                    v - wp.float32(y0),
                )
            else:
                name = wp.int32(key & wp.uint64(0xFFFFFFFF))
                far = wp.float32(key >> wp.uint64(32)) * 1.0e-7
                region = wp.int32(-2)
                if name < EXTRA:
                    region = head.region[name]
                elif extra.surface[name - EXTRA] != _HAIR:
                    region = 100 + extra.surface[name - EXTRA]
                if name >= EXTRA and extra.owner[name - EXTRA] >= 0:
                    hidden += 1.0
                if region == -2 or region != last_region or wp.abs(far - last_far) > 0.03:
                    u = (wp.float32(column * samples + j) + 0.5) / width
                    v = (wp.float32(row * samples + i) + 0.5) / width
                    ray = camera_ray(to_plane, turn_back[image], distance[image], image, u, v)
                    h = find_hit(name, image, look.camera, ray, head, extra)
                    last = _shade(h, image, ray, seen[image, row, column], look, head, extra, skin)
                    last_region = region
                    last_far = far
                total += last
    count = wp.float32(samples * samples)
    out[image, row, column] = total / count
    cover[image, row, column] = hidden / count
