"""Time of COCO evaluation from parsed files to the twelve numbers, by pycocotools or faster-coco-eval.

    python3 detection.py pycocotools [--images 5000] [--categories 80] [--detections 100]

The same boxes as benchmarks/src/ours/detection.ts draws.
"""

import argparse
import contextlib
import importlib.metadata
import io
import json
import statistics
import sys
import time

import numpy as np
from memory import own_peak_mib

MOST_OBJECTS = 14
WIDTH, HEIGHT = 640, 480

parser = argparse.ArgumentParser()
parser.add_argument("tool", choices=["pycocotools", "faster-coco-eval"])
parser.add_argument("--images", type=int, default=5000)
parser.add_argument("--categories", type=int, default=80)
parser.add_argument("--detections", type=int, default=100)
parser.add_argument("--repeats", type=int, default=1)
parser.add_argument("--threads", type=int, default=1, help="neither tool uses more than one")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

if args.tool == "pycocotools":
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
else:
    from faster_coco_eval import COCO
    from faster_coco_eval import COCOeval_faster as COCOeval


def drawn_box(draw):
    w, h = 8 + 400 * draw[2] * draw[2], 8 + 300 * draw[3] * draw[3]
    return [draw[0] * (WIDTH - w), draw[1] * (HEIGHT - h), w, h]


random = np.random.RandomState(23)
truth = {
    "info": {},
    "images": [{"id": i + 1, "width": WIDTH, "height": HEIGHT} for i in range(args.images)],
    "categories": [{"id": c + 1, "name": str(c)} for c in range(args.categories)],
    "annotations": [],
}
annotations = truth["annotations"]
detections = []
for image in range(1, args.images + 1):
    draws = random.random_sample(1 + 5 * MOST_OBJECTS + 6 * args.detections).tolist()
    objects = 1 + int(draws[0] * MOST_OBJECTS)
    for o in range(objects):
        own = draws[1 + 5 * o : 6 + 5 * o]
        bbox = drawn_box(own)
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image,
                "category_id": 1 + int(own[4] * args.categories),
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": 0,
            }
        )
    found = annotations[-objects:]
    for d in range(args.detections):
        own = draws[1 + 5 * MOST_OBJECTS + 6 * d : 7 + 5 * MOST_OBJECTS + 6 * d]
        if d < objects:
            box = found[d]["bbox"]
            bbox = [side + (own[i] - 0.5) * 0.2 * box[2 + i % 2] for i, side in enumerate(box)]
            category = found[d]["category_id"]
        else:
            bbox, category = drawn_box(own), 1 + int(own[4] * args.categories)
        detections.append({"image_id": image, "category_id": category, "bbox": bbox, "score": own[5]})


def evaluate():
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes([dict(each) for each in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0]


times = []
for _ in range(1 + args.repeats):
    start = time.perf_counter()
    precision = evaluate()
    times.append(time.perf_counter() - start)
print(f"AP {precision:.12f}", file=sys.stderr)
print(
    json.dumps(
        {
            "program": f"{args.tool} {importlib.metadata.version(args.tool)}",
            "device": "cpu",
            "threads": 1,
            "seconds": statistics.median(times[1:]),
            "peakMemoryMiB": own_peak_mib(),
        }
    )
)
