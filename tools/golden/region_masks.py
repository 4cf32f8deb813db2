"""Masks of regions in every form that `villa ingest` takes, from pycocotools and Pillow.

Writes tools/testing/fixtures/masks: a picture, COCO's instances with polygons, plain and compressed run lengths, the same
regions as a label map and as a PNG each, and what pycocotools makes of them.

    python tools/golden/region_masks.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco

FOLDER = Path(__file__).parent.parent / "testing" / "fixtures" / "masks"
HEIGHT, WIDTH = 30, 40


def compressed(pixels):
    return coco.encode(np.asfortranarray(pixels.astype(np.uint8)))


def plain(pixels):
    """Run lengths as a list of numbers, column after column, beginning with zeros."""
    flat = pixels.astype(np.uint8).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return {"size": [HEIGHT, WIDTH], "counts": ([0] if flat[0] else []) + runs}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.stack([rows * 8, columns * 6, (rows + columns) * 3], axis=-1).astype(np.uint8)
    Image.fromarray(picture).save(FOLDER / "picture.png")
    disc = (rows - 9) ** 2 + (columns - 10) ** 2 <= 40
    ring = ((rows - 18) ** 2 + (columns - 28) ** 2 <= 90) & ((rows - 18) ** 2 + (columns - 28) ** 2 >= 25)
    polygons = [[3.2, 20.6, 14.9, 19.1, 12.4, 28.7, 4.4, 27.3], [16.0, 2.0, 22.5, 2.5, 19.25, 8.75]]
    polygon = coco.merge(coco.frPyObjects(polygons, HEIGHT, WIDTH))
    as_text = compressed(ring)
    segmentations = [polygons, plain(disc), {"size": [HEIGHT, WIDTH], "counts": as_text["counts"].decode()}]
    masks = [polygon, compressed(disc), as_text]
    names = ["leaf", "coin", "ring"]
    annotations = [
        {"id": i + 1, "image_id": 1, "category_id": i + 1, "iscrowd": int(i == 2), "segmentation": segmentation}
        for i, segmentation in enumerate(segmentations)
    ]
    # One has a box of its own, which need not be that of its mask.
    annotations[1]["bbox"] = [3, 2, 15, 15]
    instances = {
        "images": [{"id": 1, "file_name": "picture.png", "width": WIDTH, "height": HEIGHT, "caption": "a leaf, a coin and a ring"}],
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
    }
    (FOLDER / "instances.json").write_text(json.dumps(instances, indent=1) + "\n")
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for value, name, mask in zip([3, 40, 255], names, masks):
        pixels = coco.decode(mask)
        Image.fromarray(pixels * 255).save(FOLDER / f"{name}.png")
        labels[pixels > 0] = value
    indexed = Image.fromarray(labels, mode="P")
    indexed.putpalette([channel for i in range(256) for channel in ((i * 37) % 256, (i * 91) % 256, i)])
    indexed.save(FOLDER / "labels-palette.png")
    Image.fromarray(labels).save(FOLDER / "labels.png")
    Image.fromarray(labels.astype(np.uint16) * 7).save(FOLDER / "labels-16.png")
    expected = {
        "pycocotools": version("pycocotools"),
        "labels": [3, 40, 255],
        "regions": [
            {
                "name": name,
                "counts": mask["counts"].decode(),
                "bbox": coco.toBbox(mask).tolist(),
                "area": int(coco.area(mask)),
            }
            for name, mask in zip(names, masks)
        ],
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


main()
