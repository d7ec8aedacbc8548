"""Draws a face with a look, a picture at a time."""

from dataclasses import dataclass

import numpy as np

from emofuse.demo.chance import generator

PICTURE = (240, 348)  # rows, columns of one person's picture
SWAY = 12  # pixels the head can move either way


@dataclass(frozen=True)
class Portrait:
    """A person without brows, eyes and mouth (image: uint8 [rows, columns, 3]), and how those are to be drawn.

    y, x: the face's middle, and eyes, mouth: half their distance and width, in pixels; size: 1 is usual; brows, iris, lips:
    colours, RGB [3].
    """

    image: np.ndarray
    y: int
    x: int
    size: float
    eyes: float
    brows: np.ndarray
    iris: np.ndarray
    mouth: float
    lips: np.ndarray


def portray(session, gender, markers, seed):
    """The Portrait of a session's woman or man, with or without motion-capture markers; larger by SWAY on each side."""
    rng = generator(seed, session, gender, "portrait")
    rows, columns = PICTURE[0] + 2 * SWAY, PICTURE[1] + 2 * SWAY
    wall, shirt = rng.integers(40, 130, 3), rng.integers(30, 200, 3)
    skin, hair = rng.uniform(0.6, 1) * np.array([240, 190, 155]), rng.uniform(0.1, 0.8) * np.array([200, 150, 100])
    y, x = 125 + rng.integers(-8, 9) + SWAY, columns // 2 + rng.integers(-20, 21)
    size = rng.uniform(0.92, 1.08)
    image = np.empty((rows, columns, 3), np.uint8)
    image[:] = np.clip(wall + np.linspace(-20, 20, columns)[:, None], 0, 255)
    length = 30 if gender == "F" else 0
    _ellipse(image, y - 12 + length, x, 108 * size + length, 88 * size, hair)
    _ellipse(image, y + 150, x, 55, 120, shirt)
    _ellipse(image, y, x, 100 * size, 76 * size, skin)
    _ellipse(image, y + 12, x, 14, 7, skin * 0.85)
    if markers:
        for dy, dx in rng.integers((-70, -60), (80, 60), (25, 2)):
            _ellipse(image, y + dy, x + dx, 2, 2, (255, 255, 255))
    return Portrait(
        image,
        y,
        x,
        size,
        eyes=rng.uniform(27, 33) * size,
        brows=hair * 0.6,
        iris=rng.integers(20, 110, 3),
        mouth=rng.uniform(30, 38) * size,
        lips=rng.integers((130, 40, 50), (190, 80, 90)),
    )


def express(portrait, traits, opening):
    """A copy of the picture with a look drawn in: brow tilt, brow lift, mouth curve, eye opening; the mouth open 0 to 1."""
    tilt, lift, curve, eye = traits
    y, x, size = portrait.y, portrait.x, portrait.size
    image = portrait.image.copy()
    for side in (-1, 1):
        ex, ey = x + side * portrait.eyes, y - 22 * size
        _ellipse(image, ey, ex, 10 * eye, 15, (245, 245, 245))
        _ellipse(image, ey, ex, min(7, 10 * eye), 7, portrait.iris)
        rows, columns = _box(image, ey - 24 - lift, ex, 24, 24)
        line = ey - 24 - lift - tilt * side * (columns - ex)
        _fill(image, rows, columns, np.abs(rows - line) <= 4 * size, portrait.brows)
    my, width = y + 52 * size, portrait.mouth
    rows, columns = _box(image, my, x, 44, int(width))
    bow = np.clip(1 - ((columns - x) / width) ** 2, 0, 1)
    middle = my + 16 * curve * (bow - 0.5)
    distance = np.abs(rows - middle)
    gap = 16 * opening * np.sqrt(bow)
    _fill(image, rows, columns, distance <= gap + 4, portrait.lips)
    _fill(image, rows, columns, distance <= gap - 1, (60, 15, 20))
    return image


def _box(image, y, x, height, width):
    """Open index grids (rows [h, 1], columns [1, w]) of the box around a point, cut to the image."""
    rows = slice(max(0, int(y) - height), min(image.shape[0], int(y) + height + 1))
    columns = slice(max(0, int(x) - width), min(image.shape[1], int(x) + width + 1))
    return np.ogrid[rows, columns]


def _fill(image, rows, columns, mask, colour):
    image[rows[0, 0] : rows[-1, 0] + 1, columns[0, 0] : columns[0, -1] + 1][mask] = colour


def _ellipse(image, y, x, height, width, colour):
    rows, columns = _box(image, y, x, int(height) + 1, int(width) + 1)
    inside = ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 <= 1
    _fill(image, rows, columns, inside, colour)
