"""Writes the image readers' fixtures: JPEGs over which libjpeg only warns, and PNGs of every depth, interlaced or not.

Written with Pillow 13.0.0: `image_cases.py DIR`. `images.json` holds, for each file, its size and the pixels that Pillow
gives (base64, [height, width, 3]), or null where Pillow refuses it.
"""

import base64
import io
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 27, 19
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
PIXELS = np.stack([(x * 9) % 256, (y * 13) % 256, (x * y * 3 + 40) % 256], -1).astype(np.uint8)


def jpeg(mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def scan_start(data):
    at = data.index(b"\xff\xda")
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def jpegs():
    baseline = jpeg(subsampling=2)
    start = scan_start(baseline)
    restarts = jpeg(subsampling=2, restart_marker_blocks=1)
    middle = start + (len(baseline) - start) // 2
    first_restart = restarts.index(b"\xff\xd0", scan_start(restarts))
    second_restart = restarts.index(b"\xff\xd1", scan_start(restarts))
    progressive = jpeg(subsampling=2, progressive=True)
    return {
        "444": jpeg(subsampling=0),
        "422": jpeg(subsampling=1),
        "420": baseline,
        "grey": jpeg("L"),
        "cmyk": jpeg("CMYK"),
        "rgb": jpeg(keep_rgb=True, subsampling=0),
        "optimized": jpeg(optimize=True, subsampling=2),
        "progressive": progressive,
        "progressive_grey": jpeg("L", progressive=True),
        "restarts": restarts,
        "bytes_before_end": baseline[:-2] + b"\x00\x12\x34\x00" + baseline[-2:],
        "bytes_behind_end": baseline + b"SEFT\xff\xd8 trailer" * 3,
        "bytes_between_parts": baseline[:20] + b"\x00\x01\x02" + baseline[20:],
        "filling": baseline[:20] + b"\xff\xff\xff" + baseline[20:],
        "data_end_early": baseline[:middle] + b"\xff\xd9",
        "restart_lost": restarts[:first_restart] + restarts[first_restart + 2 :],
        "restart_swapped": restarts[:first_restart] + b"\xff\xd5" + restarts[first_restart + 2 :],
        "restart_skipped": restarts[:first_restart] + restarts[second_restart:],
        "bad_code": baseline[:middle] + b"\xfe\xfd\xfe\xfd" + baseline[middle + 4 :],
        "wrong_jfif_version": baseline.replace(b"JFIF\x00\x01", b"JFIF\x00\x07", 1),
        "truncated": baseline[:middle],
        "truncated_progressive": progressive[: len(progressive) // 2],
        "without_end": baseline[:-2],
        "without_scan": baseline[: baseline.index(b"\xff\xda")] + b"\xff\xd9",
    }


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def rows(samples, depth):
    """Packed rows of samples [height, width, channels], with a different filter each."""
    out = b""
    for j, row in enumerate(samples):
        flat = row.ravel()
        if depth == 16:
            packed = flat.astype(">u2").tobytes()
        elif depth == 8:
            packed = flat.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(value, f"0{depth}b") for value in flat)
            bits += "0" * (-len(bits) % 8)
            packed = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        out += (b"\x01" if j % 2 else b"\x00") + (sub(packed, max(1, depth * row.shape[-1] // 8)) if j % 2 else packed)
    return out


def sub(data, step):
    return bytes((value - (data[i - step] if i >= step else 0)) & 255 for i, value in enumerate(data))


def png(color_type, depth, interlaced):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color_type]
    top = (1 << depth) - 1
    flat = PIXELS.astype(np.uint32)
    source = np.concatenate([flat, flat[..., :1]], -1)[..., :channels] if channels != 2 else flat[..., :2]
    samples = source * 257 % 65536 if depth == 16 else source * top // 255
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    raw = b"".join(rows(part, depth) for x0, y0, dx, dy in passes if (part := samples[y0::dy, x0::dx]).size)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color_type, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes((i * 37 + c * 91) % 256 for i in range(top + 1) for c in range(3))) if color_type == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def pngs():
    kinds = [(0, 1), (0, 2), (0, 4), (0, 8), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (6, 8), (6, 16)]
    return {f"type{kind}_depth{depth}{'_interlaced' * i}": png(kind, depth, i) for kind, depth in kinds for i in (0, 1)}


def pillow(data):
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except Exception:
        return None


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    told = {}
    for ending, files in (("jpg", jpegs()), ("png", pngs())):
        for name, data in files.items():
            (folder / f"{name}.{ending}").write_bytes(data)
            pixels = pillow(data)
            told[f"{name}.{ending}"] = None if pixels is None else base64.b64encode(pixels.tobytes()).decode()
    (folder / "images.json").write_text(json.dumps({"width": WIDTH, "height": HEIGHT, "files": told}, indent=0) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
