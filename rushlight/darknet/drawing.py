"""Boxes with names and scores, drawn on a picture so that they can be read at any size."""

import colorsys

__all__ = ["class_colour", "draw_detections"]

# Successive multiples of the golden ratio are far apart on the colour wheel.
_GOLDEN = 0.6180339887


def class_colour(number):
    """The (red, green, blue) of class `number`: bright, and unlike those of its neighbours."""
    hue = (0.13 + number * _GOLDEN) % 1.0
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, 1.0))


def _text_colour(colour):
    """Black on bright colours, white on dark ones (Rec. 601 luma)."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return (0, 0, 0) if luma > 120 else (255, 255, 255)


def draw_detections(picture, found, names, scale=1.0):
    """A copy of a PIL image with the boxes of `found`, the best ones on top.

    Args:
        picture: a PIL image. found: `Detections` in its pixels. names: of the classes.
        scale: of lines and letters; at 1 they are made for a picture looked at as a whole.
    """
    from PIL import ImageDraw, ImageFont

    drawing = picture.convert("RGB")
    pen = ImageDraw.Draw(drawing)
    extent = (drawing.width + drawing.height) / 2 * scale
    line = max(1, round(extent / 260))
    font = ImageFont.load_default(size=max(10, round(extent / 36)))
    rows = list(zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist()))
    for box, _, number in reversed(rows):
        pen.rectangle(_whole(box), outline=class_colour(number), width=line)
    taken: list[tuple[float, ...]] = []
    labels = [_place(pen, font, line, drawing.size, taken, names, row) for row in rows]
    for area, place, text, colour in reversed(labels):
        pen.rectangle(area, fill=colour)
        pen.text(place, text, fill=_text_colour(colour), font=font)
    return drawing


def _whole(box):
    x1, y1, x2, y2 = (round(value) for value in box)
    return x1, y1, max(x1, x2), max(y1, y2)


def _place(pen, font, line, size, taken, names, row):
    """Where a label goes: above its box, or inside at the top, lower where another one is."""
    box, score, number = row
    text = f"{names[number]} {score:.2f}"
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = max(2, line)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(0, round(box[0])), max(0, size[0] - width))
    y = round(box[1]) - height
    if y < 0:
        y = max(0, round(box[1]))
    for _ in range(8):
        area = (x, y, x + width - 1, y + height - 1)
        if not any(_meet(area, other) for other in taken) or y + 2 * height > size[1]:
            break
        y += height
    taken.append(area)
    return area, (x + pad - left, y + pad - top), text, class_colour(number)


def _meet(one, other):
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
