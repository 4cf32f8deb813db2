"""Writes tools/testing/fixtures/pictures.json: pictures scaled by Pillow, and made into images by transformers' processors.

    pip install transformers==5.24.0 torch==2.13.0 pillow==13.0.0 numpy==2.4.6
    python pictures.py FILE.json [SEED]

Pictures are noise made from their names. Of a scaled picture the sha256 of its bytes [3, height, width] is kept: it has to be
equal to the last bit. The processors are those of CLIP, SigLIP and DINOv2 (their Pillow versions) with the settings that
checkpoints come with, and with others.
"""

import hashlib
import json
import sys
from pathlib import Path

sys.modules["torchvision"] = None  # the processors' Pillow versions, whatever is installed

import numpy as np
from PIL import Image
from transformers import BitImageProcessorPil, CLIPImageProcessorPil, SiglipImageProcessorPil

from named_values import picture, summary

SEED = sys.argv[2] if len(sys.argv) > 2 else "pictures"
SIZES = [(50, 37), (37, 50), (224, 224), (301, 199), (7, 400)]  # width, height
TARGETS = [(32, 32), (64, 48), (50, 100), (224, 224), (1, 5), (333, 20)]
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SHORTEST, SQUARE = {"shortest_edge": 48}, {"height": 40, "width": 40}
PROCESSORS = [
    ("clip", CLIPImageProcessorPil, dict(size=SHORTEST, crop_size=SQUARE)),
    ("clip", CLIPImageProcessorPil, dict(size=SHORTEST, crop_size=SQUARE, resample=2)),
    ("clip", CLIPImageProcessorPil, dict(size={"shortest_edge": 30}, crop_size=SQUARE)),
    ("clip", CLIPImageProcessorPil, dict(size=SQUARE, do_center_crop=False, image_mean=[0.1, 0.2, 0.3])),
    ("siglip", SiglipImageProcessorPil, dict(size=SQUARE)),
    ("siglip", SiglipImageProcessorPil, dict(size=SQUARE, resample=2)),
    ("dinov2", BitImageProcessorPil, dict(size=SHORTEST, crop_size=SQUARE, resample=3, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])),
]


def noise(width, height):
    return picture(f"{SEED}:{width}x{height}", width, height)


def planes_hash(image):
    return hashlib.sha256(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)).tobytes()).hexdigest()


scaled = [
    {"from": [w, h], "to": list(target), "resample": name, "sha256": planes_hash(noise(w, h).resize(target, how))}
    for w, h in SIZES
    for target in TARGETS
    for name, how in FILTERS.items()
]
processed = []
for naming, kind, settings in PROCESSORS:
    processor = kind(**settings)
    config = json.loads(processor.to_json_string())
    for width, height in SIZES:
        if width < 20:
            continue
        pixels = processor(noise(width, height), return_tensors="np")["pixel_values"][0]
        processed.append(
            {"naming": naming, "config": config, "from": [width, height], "shape": list(pixels.shape), "pixels": summary(pixels)}
        )
Path(sys.argv[1]).write_text(json.dumps({"seed": SEED, "scaled": scaled, "processed": processed}, separators=(",", ":")))
