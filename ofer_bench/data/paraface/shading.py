"""What a point of the head looks like: albedo painted in coordinates of the resting head, and light on it.

Painting in resting coordinates keeps brows, lips and iris on the skin while it moves. Colours are linear.
"""

# No postponed annotations here: warp reads the types of its functions from the signatures.
import warp as wp


@wp.struct
class Look:
    """Colours and light of one image; see ``sampling.Subject`` and ``sampling.Shot`` for units."""

    skin: wp.vec3
    lips: wp.vec3
    hair: wp.vec3
    iris: wp.vec3
    brow: wp.vec3
    hairline: wp.float32
    beard: wp.float32
    texture_seed: wp.int32
    age: wp.float32
    gaze: wp.vec3
    key_direction: wp.vec3
    key: wp.vec3
    fill_direction: wp.vec3
    fill: wp.vec3
    ambient: wp.vec3
    background00: wp.vec3
    background10: wp.vec3
    background01: wp.vec3
    background11: wp.vec3
    camera: wp.float32
    lash: wp.float32
    pixel_seed: wp.int32


@wp.func
def mix(a: wp.vec3, b: wp.vec3, share: wp.float32) -> wp.vec3:
    """Blend two colours."""
    return a + (b - a) * share


@wp.func
def step_up(low: wp.float32, high: wp.float32, x: wp.float32) -> wp.float32:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    t = wp.clamp((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def blob(p: wp.vec3, x: wp.float32, y: wp.float32, radius: wp.float32) -> wp.float32:
    """Gaussian spot on the front of the face, mirrored to both sides."""
    dx = (wp.abs(p[0]) - x) / radius
    dy = (p[1] - y) / radius
    return wp.exp(-(dx * dx + dy * dy))


@wp.func
def brow_cover(p: wp.vec3, brow: wp.vec3, hairs: wp.float32) -> wp.float32:
    """Share of eyebrow hair: an arch over |x| = 0.10 to 0.52, tapering to the temple."""
    t = (wp.abs(p[0]) - 0.10) / 0.42
    if t < -0.1 or t > 1.1 or p[2] < 0.8:
        return 0.0
    centre = 7.49 + brow[0] + 0.05 * brow[2] * wp.sin(2.2 * t) - 0.01 * t
    thickness = brow[1] * (1.0 - 0.65 * wp.clamp(t, 0.0, 1.0))
    distance = wp.abs(p[1] - centre) / thickness
    ends = step_up(-0.08, 0.08, t) * (1.0 - step_up(0.9, 1.08, t))
    return (1.0 - step_up(0.55, 1.3, distance)) * ends * (0.8 + 0.35 * hairs)


@wp.func
def skin_albedo(p: wp.vec3, part: wp.vec3, look: Look) -> wp.vec3:
    """Skin with blush, lips, brows, stubble, scalp hair; ``part`` = (lips, mouth's inside, eyelid)."""
    state = wp.rand_init(look.texture_seed)
    coarse = wp.noise(state, p * 4.0)
    fine = wp.noise(state, p * 22.0)
    hairs = wp.float32(0.0)
    # Noise is the dearest part of the shader; most of the skin shows no hair.
    if p[1] > 7.4 or (p[1] < 6.85 and (look.beard > 0.05 or part[0] > 0.05)):
        hairs = wp.noise(state, wp.vec3(p[0] * 60.0, p[1] * 25.0, p[2] * 60.0))
    front = step_up(0.6, 1.1, p[2])
    blush = 0.5 * blob(p, 0.40, 6.93, 0.22) + 0.6 * blob(p, 0.0, 6.93, 0.13) + 0.2 * coarse
    colour = wp.cw_mul(look.skin, wp.vec3(1.0 + 0.10 * blush, 1.0 - 0.14 * blush, 1.0 - 0.12 * blush))
    colour = colour * (1.0 + 0.08 * coarse + (0.04 + 0.06 * look.age) * fine)
    colour = colour * (1.0 - (0.10 + 0.15 * look.age) * blob(p, 0.29, 7.12, 0.10))
    colour = mix(colour, wp.cw_mul(colour, wp.vec3(0.80, 0.66, 0.64)), part[2])
    jaw = (1.0 - step_up(6.65, 6.85, p[1] - 0.5 * wp.max(wp.abs(p[0]) - 0.35, 0.0))) * step_up(0.25, 0.6, p[2])
    colour = mix(colour, look.hair, look.beard * jaw * (0.55 + 0.5 * hairs) * (1.0 - part[0]))
    lip = wp.clamp(part[0] * 1.1, 0.0, 1.0)
    colour = mix(colour, look.lips * (1.0 + 0.15 * hairs), lip * front)
    colour = mix(colour, look.hair * 0.4, wp.clamp(brow_cover(p, look.brow, hairs), 0.0, 0.95))
    edge = p[1] - (7.84 + look.hairline) + 0.9 * (1.25 - p[2]) * step_up(0.42, 0.62, wp.abs(p[0]) + 0.05 * coarse)
    edge = edge + 0.45 * wp.max(0.9 - p[2], 0.0) + 0.05 * hairs
    ear = step_up(0.70, 0.74, wp.abs(p[0])) * (1.0 - step_up(7.28, 7.36, p[1]))
    colour = mix(colour, look.hair * (1.0 + 0.5 * hairs), step_up(-0.03, 0.05, edge) * (1.0 - ear))
    depth = step_up(1.40, 1.1, p[2])
    return mix(colour, wp.vec3(0.16, 0.035, 0.03) * (1.0 - 0.85 * depth), part[1])


@wp.func
def eye_albedo(p: wp.vec3, gaze: wp.vec3, iris: wp.vec3) -> wp.vec3:
    """Sclera, iris with a dark rim, pupil; the eyeballs rest at |x| = 0.3078, y = 7.2841, z = 1.2454."""
    centre = wp.vec3(0.3078 * wp.sign(p[0]), 7.2841, 1.2454)
    angle = wp.acos(wp.clamp(wp.dot(wp.normalize(p - centre), gaze), -1.0, 1.0))
    sclera = mix(wp.vec3(0.70, 0.66, 0.63), wp.vec3(0.55, 0.36, 0.32), step_up(0.7, 1.3, angle))
    ringed = iris * (1.25 - 0.8 * step_up(0.33, 0.44, angle))
    colour = mix(ringed, sclera, step_up(0.42, 0.48, angle))
    return mix(wp.vec3(0.004, 0.004, 0.004), colour, step_up(0.15, 0.21, angle))


@wp.func
def diffuse(normal: wp.vec3, light: wp.vec3, wrap: wp.vec3) -> wp.vec3:
    """Lambert's cosine, wrapped round the terminator per channel as light scatters under the skin."""
    c = wp.dot(normal, light)
    return wp.vec3(
        wp.max((c + wrap[0]) / (1.0 + wrap[0]), 0.0),
        wp.max((c + wrap[1]) / (1.0 + wrap[1]), 0.0),
        wp.max((c + wrap[2]) / (1.0 + wrap[2]), 0.0),
    )


@wp.func
def highlight(normal: wp.vec3, light: wp.vec3, view: wp.vec3, sharpness: wp.float32) -> wp.float32:
    """Blinn-Phong lobe, normalised so that sharper means brighter."""
    half = wp.normalize(light + view)
    return wp.pow(wp.max(wp.dot(normal, half), 0.0), sharpness) * (sharpness + 8.0) / 25.0


@wp.func
def background(look: Look, u: wp.float32, v: wp.float32) -> wp.vec3:
    """Bilinear gradient between four corner colours."""
    return mix(mix(look.background00, look.background10, u), mix(look.background01, look.background11, u), v)
