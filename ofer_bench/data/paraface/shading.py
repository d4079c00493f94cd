"""How a visible point reflects light: skin, eyes, teeth, hair and the materials of occluders. Colours are linear."""

# No postponed annotations here: warp reads the types of its functions from the signatures.
import warp as wp

from ofer_bench.data.paraface.geometry import SURFACES
from ofer_bench.data.paraface.model import REGIONS, UPPER_TEETH_EDGE

_SKIN = wp.constant(REGIONS.index("skin"))
_EYE = wp.constant(REGIONS.index("eye"))
_TEETH = wp.constant(REGIONS.index("teeth"))
_TONGUE = wp.constant(REGIONS.index("tongue"))
_CLOTH = wp.constant(SURFACES.index("cloth"))
_PLASTIC = wp.constant(SURFACES.index("plastic"))
_FLESH = wp.constant(SURFACES.index("skin"))
_METAL = wp.constant(SURFACES.index("metal"))
_HAIR = wp.constant(SURFACES.index("hair"))

UPPER_TEETH = wp.constant(UPPER_TEETH_EDGE - 0.001)
"""What lies above in the resting head, of the teeth, is an upper one."""


@wp.struct
class Look:
    """Light and colours of one image, directions in the head's frame; units as in ``scenery``.

    ``mouth`` in [0,1]: how much light the open mouth lets in.
    """

    camera: wp.vec3
    key_direction: wp.vec3
    key: wp.vec3
    fill_direction: wp.vec3
    fill: wp.vec3
    rim_direction: wp.vec3
    rim: wp.vec3
    up: wp.vec3
    sky: wp.vec3
    ground: wp.vec3
    iris: wp.vec3
    hair: wp.vec3
    lash: wp.vec3
    gaze: wp.vec3
    teeth: wp.vec3
    oil: wp.float32
    mouth: wp.float32
    pixel_seed: wp.int32


@wp.struct
class Surface:
    """A point ready for light: ``wrap`` scatters per channel, ``gloss`` and ``sharpness`` shape the highlight."""

    albedo: wp.vec3
    wrap: wp.vec3
    gloss: wp.float32
    sharpness: wp.float32
    open: wp.float32


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
def _eye_albedo(p: wp.vec3, gaze: wp.vec3, iris: wp.vec3) -> wp.vec3:
    """Sclera, iris with a dark rim, pupil; the eyeballs rest at |x| = 0.3078, y = 7.2841, z = 1.2454."""
    centre = wp.vec3(0.3078 * wp.sign(p[0]), 7.2841, 1.2454)
    outward = wp.normalize(p - centre)
    angle = wp.acos(wp.clamp(wp.dot(outward, gaze), -1.0, 1.0))
    sclera = mix(wp.vec3(0.36, 0.33, 0.315), wp.vec3(0.20, 0.12, 0.105), step_up(0.6, 1.05, angle))
    spokes = wp.noise(
        wp.rand_init(17), wp.vec2(wp.atan2(outward[1] - gaze[1], outward[0] - gaze[0]) * 5.0, angle * 4.0)
    )
    ringed = iris * ((1.4 + 0.5 * spokes) * (1.0 - 0.75 * step_up(0.38, 0.52, angle)))
    colour = mix(ringed, sclera, step_up(0.49, 0.56, angle))
    return mix(wp.vec3(0.003, 0.003, 0.003), colour, step_up(0.15, 0.20, angle))


@wp.func
def _teeth_albedo(p: wp.vec3, shade: wp.vec3) -> wp.vec3:
    """Enamel with gaps between the teeth, darker to the back, and gums at the root."""
    angle = wp.atan2(p[0], p[2] - 1.0)
    pitch = wp.abs(wp.sin(angle * 8.2))
    upper = p[1] > UPPER_TEETH
    root = wp.where(upper, p[1] - 6.79, 6.46 - p[1])
    gum = step_up(-0.012, 0.02, root + 0.03 * (1.0 - pitch))
    front = 0.08 + wp.where(upper, 0.92, 0.55) * step_up(1.24, 1.47, p[2])
    enamel = shade * (front * (0.55 + 0.45 * step_up(0.0, 0.22, pitch)))
    return mix(enamel, wp.vec3(0.42, 0.14, 0.13), gum)


@wp.func
def head_surface(
    region: wp.int32, resting: wp.vec3, mouth: wp.float32, painted: wp.vec3, gloss: wp.float32, look: Look
) -> Surface:
    """Material of a point of the head; ``mouth`` is 1 inside the mouth, ``painted`` and ``gloss`` its skin."""
    s = Surface()
    s.albedo = look.lash
    s.wrap = wp.vec3(0.0, 0.0, 0.0)
    s.gloss = 0.0
    s.sharpness = 12.0
    s.open = 1.0
    if region == _SKIN:
        s.albedo = mix(painted, wp.vec3(0.20, 0.045, 0.04), mouth)
        s.wrap = wp.vec3(0.26, 0.13, 0.09)
        s.gloss = gloss * look.oil
        s.sharpness = 14.0
        s.open = 1.0 - 0.85 * mouth
    elif region == _EYE:
        s.albedo = _eye_albedo(resting, look.gaze, look.iris)
        s.wrap = wp.vec3(0.30, 0.25, 0.25)
        s.gloss = 0.015
        s.sharpness = 900.0
        s.open = 0.9
    elif region == _TEETH:
        s.albedo = _teeth_albedo(resting, look.teeth)
        s.wrap = wp.vec3(0.3, 0.25, 0.2)
        s.albedo = s.albedo * look.mouth
        s.gloss = 0.05 * look.mouth
        s.sharpness = 60.0
    elif region == _TONGUE:
        s.albedo = wp.vec3(0.34, 0.11, 0.10) * look.mouth
        s.gloss = 0.03 * look.mouth
        s.open = 0.45
    return s


@wp.func
def extra_surface(kind: wp.int32, colour: wp.vec3) -> Surface:
    """Material of hair or of an occluder."""
    s = Surface()
    s.albedo = colour
    s.wrap = wp.vec3(0.1, 0.1, 0.1)
    s.gloss = 0.01
    s.sharpness = 8.0
    s.open = 1.0
    if kind == _CLOTH:
        s.wrap = wp.vec3(0.2, 0.2, 0.2)
        s.gloss = 0.0
    elif kind == _PLASTIC:
        s.gloss = 0.06
        s.sharpness = 70.0
    elif kind == _METAL:
        s.gloss = 0.25
        s.sharpness = 40.0
    elif kind == _FLESH:
        s.wrap = wp.vec3(0.26, 0.13, 0.09)
        s.gloss = 0.03
        s.sharpness = 14.0
    elif kind == _HAIR:
        s.gloss = 0.0
    return s


@wp.func
def _wrapped(normal: wp.vec3, light: wp.vec3, wrap: wp.vec3) -> wp.vec3:
    """Lambert's cosine, wrapped round the terminator per channel as light scatters under the skin."""
    c = wp.dot(normal, light)
    return wp.vec3(
        wp.max((c + wrap[0]) / (1.0 + wrap[0]), 0.0),
        wp.max((c + wrap[1]) / (1.0 + wrap[1]), 0.0),
        wp.max((c + wrap[2]) / (1.0 + wrap[2]), 0.0),
    )


@wp.func
def _highlight(normal: wp.vec3, light: wp.vec3, view: wp.vec3, sharpness: wp.float32) -> wp.float32:
    """Blinn-Phong lobe, normalised so that sharper means brighter, with a rise at grazing angles."""
    half = wp.normalize(light + view)
    lobe = wp.pow(wp.max(wp.dot(normal, half), 0.0), sharpness) * (sharpness + 8.0) / 25.0
    graze = wp.pow(1.0 - wp.clamp(wp.dot(view, half), 0.0, 1.0), 4.0)
    return lobe * (1.0 + 6.0 * graze) * wp.max(wp.dot(normal, light), 0.0)


@wp.func
def _lamp(s: Surface, normal: wp.vec3, light: wp.vec3, power: wp.vec3, seen: wp.float32, view: wp.vec3) -> wp.vec3:
    """Light of one lamp that reaches the eye."""
    # What scatters under the skin leaks into cast shadows, red furthest.
    leak = wp.vec3(
        seen + (1.0 - seen) * 0.20 * s.wrap[0],
        seen + (1.0 - seen) * 0.20 * s.wrap[1],
        seen + (1.0 - seen) * 0.20 * s.wrap[2],
    )
    body = wp.cw_mul(s.albedo, wp.cw_mul(leak, _wrapped(normal, light, s.wrap)))
    shine = seen * s.gloss * _highlight(normal, light, view, s.sharpness)
    return wp.cw_mul(power, body + wp.vec3(shine, shine, shine))


@wp.func
def _ambient(albedo: wp.vec3, normal: wp.vec3, free: wp.float32, look: Look) -> wp.vec3:
    """Light from sky and ground; what light skin sends into its own hollows comes back coloured."""
    tilt = 0.5 + 0.5 * wp.dot(normal, look.up)
    light = mix(look.ground, look.sky, tilt)
    # White cloth in a closed corner would divide nothing by nothing.
    back = wp.vec3(
        free / (1.0 - wp.min(albedo[0], 0.95) * (1.0 - free)),
        free / (1.0 - wp.min(albedo[1], 0.95) * (1.0 - free)),
        free / (1.0 - wp.min(albedo[2], 0.95) * (1.0 - free)),
    )
    return wp.cw_mul(light, back)


@wp.func
def reflect(s: Surface, normal: wp.vec3, view: wp.vec3, seen: wp.vec3, look: Look) -> wp.vec3:
    """Colour of a surface; ``seen`` = share of the key lamp, of the fill lamp and of the sky that reaches it."""
    colour = _lamp(s, normal, look.key_direction, look.key, seen[0], view)
    colour += _lamp(s, normal, look.fill_direction, look.fill, seen[1], view)
    colour += _lamp(s, normal, look.rim_direction, look.rim, seen[2], view)
    return colour + wp.cw_mul(s.albedo, _ambient(s.albedo, normal, s.open * seen[2], look))


@wp.func
def _strand_light(tangent: wp.vec3, light: wp.vec3, view: wp.vec3, albedo: wp.vec3) -> wp.vec3:
    """Kajiya and Kay's hair: diffuse by the sine to the strand, one white and one coloured highlight."""
    lt = wp.dot(tangent, light)
    vt = wp.dot(tangent, view)
    sine = wp.sqrt(wp.max(1.0 - lt * lt, 0.0))
    along = wp.max(sine * wp.sqrt(wp.max(1.0 - vt * vt, 0.0)) - lt * vt, 0.0)
    white = 0.06 * wp.pow(along, 60.0)
    return albedo * (0.75 * sine + 0.9 * wp.pow(along, 14.0)) + wp.vec3(white, white, white)


@wp.func
def reflect_hair(
    colour: wp.vec3, tangent: wp.vec3, normal: wp.vec3, view: wp.vec3, seen: wp.vec3, look: Look
) -> wp.vec3:
    """Colour of a strand; hair turned away from a lamp gets what its neighbours let through."""
    lit = wp.cw_mul(look.key, _strand_light(tangent, look.key_direction, view, colour)) * (
        (0.15 + 0.85 * seen[0]) * step_up(-0.5, 0.6, wp.dot(normal, look.key_direction))
    )
    lit += wp.cw_mul(look.fill, _strand_light(tangent, look.fill_direction, view, colour)) * (
        (0.15 + 0.85 * seen[1]) * step_up(-0.5, 0.6, wp.dot(normal, look.fill_direction))
    )
    lit += wp.cw_mul(look.rim, _strand_light(tangent, look.rim_direction, view, colour)) * (
        step_up(-0.5, 0.6, wp.dot(normal, look.rim_direction))
    )
    return lit + wp.cw_mul(colour, _ambient(colour, normal, 0.25 + 0.75 * seen[2], look))
