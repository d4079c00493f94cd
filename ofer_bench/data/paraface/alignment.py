"""The crop: a similarity transform brings eyes and mouth to fixed places, as in RAF-DB's aligned pictures."""

from __future__ import annotations

import numpy as np

TEMPLATE = np.array([[0.3175, 0.355], [0.6825, 0.355], [0.50, 0.793]])
"""Where the eye on the picture's left, the other eye and the mouth lie, in picture sides (x, y down)."""


def head_rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix [3,3] from degrees: yaw to the subject's left, pitch down, roll to the right."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    rotation: np.ndarray = about_z @ about_x @ about_y
    return rotation


def project(points: np.ndarray, camera: float) -> np.ndarray:
    """Project [...,3] on the plane z = 0 from a camera at (0, 0, ``camera``): [...,2], x right, y down."""
    scale = camera / (camera - points[..., 2])
    return np.stack([points[..., 0] * scale, -points[..., 1] * scale], axis=-1)


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares similarity without reflection from ``source`` to ``target``, both [N,2]: matrix [2,3].

    Closed form in complex numbers; the same answer as Umeyama (1991) in the plane.
    """
    s = source[:, 0] + 1j * source[:, 1]
    t = target[:, 0] + 1j * target[:, 1]
    centred = s - s.mean()
    turn = np.vdot(centred, t - t.mean()) / np.vdot(centred, centred).real
    shift = t.mean() - turn * s.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def picture_to_plane(landmarks: np.ndarray) -> np.ndarray:
    """Matrix [2,3] from picture coordinates in [0,1] to the plane that holds ``landmarks`` [3,2]."""
    forward = fit_similarity(landmarks, TEMPLATE)
    inverse = np.linalg.inv(np.vstack([forward, [0.0, 0.0, 1.0]]))
    matrix: np.ndarray = inverse[:2]
    return matrix
