"""Makes small PNG files of screenshots."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

LARGEST_BYTES = 250_000
COLOURS = (256, 128, 64, 32, 16)


def is_blank(png: bytes) -> bool:
    """Return whether the picture has one colour only, because the browser had not drawn the page yet."""
    with Image.open(BytesIO(png)) as picture:
        return picture.convert("RGB").getcolors(1) is not None


def shrunk(png: bytes, largest: int = LARGEST_BYTES) -> bytes:
    """Return the picture with a palette: the most of COLOURS with which it fits into `largest` bytes, else 16."""
    with Image.open(BytesIO(png)) as picture:
        flat = picture.convert("RGB")
    small = b""
    for colours in COLOURS:
        out = BytesIO()
        flat.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        small = out.getvalue()
        if len(small) <= largest:
            break
    return small
