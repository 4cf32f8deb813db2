"""Writes detection.json: random detection problems with the numbers of pycocotools and lvis-api.

    pip install numpy==2.4.6 pycocotools==2.0.11 lvis==0.5.3
    python detection.py OUT.json [--seed N] [--cases N]

Every case holds a truth in COCO's (or LVIS's) format, a COCO results list, how to compare them, the numbers that the tool
prints, each category's AP, and SHA-256 of its arrays as little-endian doubles in C order. `masks` holds polygons with the
run lengths, area and box that pycocotools makes of them.
"""

import argparse
import contextlib
import copy
import hashlib
import io
import itertools
import json
import logging

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

np.float = float  # lvis 0.5.3 uses the name that numpy 1.24 dropped
from lvis import LVIS, LVISEval, LVISResults  # noqa: E402

logging.disable(logging.WARNING)

COCO_NAMES = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()

# What a case has besides plain boxes. Cases take them in turn, so that 48 cases have every one several times.
FEATURES = [
    dict(),
    dict(ties=True),
    dict(crowds=True),
    dict(many=True),
    dict(edges=True),
    dict(degenerate=True),
    dict(ties=True, crowds=True, edges=True),
    dict(many=True, ties=True, crowds=True),
    dict(one_score=True, degenerate=True),
    dict(doubles=True, crowds=True),
    dict(edges=True, many=True, degenerate=True),
    dict(empty=True, ties=True),
]


class Scene:
    """A random truth and detections for it."""

    def __init__(self, seed, kind, iou_type, features):
        self.random = np.random.RandomState(seed)
        self.kind, self.iou_type = kind, iou_type
        self.has = lambda name: features.get(name, False)
        random = self.random
        segm = iou_type == "segm"
        many = self.has("many")
        image_ids = random.permutation(40)[: random.randint(3, 5 if many or segm else 8)] * 3 + 1
        category_ids = np.sort(random.permutation(30)[: random.randint(3, 6)] * 2 + 1)
        random.shuffle(category_ids)
        self.images = [
            dict(id=int(i), width=int(random.randint(40, 140)), height=int(random.randint(40, 140))) for i in image_ids
        ]
        self.categories = [dict(id=int(c), name=f"class {c}") for c in category_ids]
        # Some categories have no object, some no detection, some images neither.
        self.with_objects = category_ids[: max(1, len(category_ids) - 1)]
        self.with_detections = category_ids[min(1, len(category_ids) - 1) :]
        if self.has("empty"):
            self.with_objects = category_ids[:1]
        self.first_id = 0 if random.rand() < 0.1 else 1 + random.randint(0, 3)
        self.annotations = self.make_annotations()
        if kind == "lvis":
            self.federate()
        self.detections = self.make_detections()

    def number(self, value):
        return float(value) if self.has("doubles") else round(float(value) * 4) / 4

    def box(self, image):
        random = self.random
        if self.has("edges") and random.rand() < 0.5:
            # Areas of exactly 32² and 96², and next to them.
            side = float(random.choice([32, 32, 96]))
            width, height = (side, side) if random.rand() < 0.5 else (side * 2, side / 2)
            width += float(random.choice([0, 0, 0, 0.25, -0.25]))
        else:
            width = self.number(random.uniform(1, image["width"] * random.choice([0.2, 0.9])))
            height = self.number(random.uniform(1, image["height"] * random.choice([0.2, 0.9])))
        x = self.number(random.uniform(-3, image["width"] * 0.8))
        y = self.number(random.uniform(-3, image["height"] * 0.8))
        if self.has("degenerate") and random.rand() < 0.3:
            shape = random.randint(4)
            width, height = [(0.0, height), (width, 0.0), (0.0, 0.0), (-width, height)][shape]
        return [x, y, width, height]

    def polygons(self, image, box):
        x, y, width, height = box
        parts = []
        for _ in range(self.random.randint(1, 3)):
            count = self.random.randint(3, 9)
            angles = np.sort(self.random.uniform(0, 2 * np.pi, count))
            radius = self.random.uniform(0.5, 1, count)
            px = x + width / 2 * (1 + radius * np.cos(angles))
            py = y + height / 2 * (1 + radius * np.sin(angles))
            points = np.round(np.stack([px, py], 1), 2)
            if self.random.rand() < 0.3:
                points = np.repeat(points, 2, axis=0)  # the same corner twice
            parts.append([float(v) for v in points.ravel()])
        return parts

    def segmentation(self, image, box, form):
        polygons = self.polygons(image, box)
        if form == "polygons":
            return polygons
        height, width = image["height"], image["width"]
        rle = mask_utils.merge(mask_utils.frPyObjects(polygons, height, width))
        if self.random.rand() < 0.2:  # a mask with holes
            mask = mask_utils.decode(rle) & (self.random.rand(height, width) < 0.9)
            rle = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
        if form == "compressed":
            return dict(size=[height, width], counts=rle["counts"].decode())
        runs = [(value, len(list(run))) for value, run in itertools.groupby(mask_utils.decode(rle).ravel(order="F"))]
        return dict(size=[height, width], counts=[0] * int(runs[0][0]) + [length for _, length in runs])

    def make_annotations(self):
        random = self.random
        annotations = []
        for image in self.images[:-1]:
            for category in self.with_objects:
                boxes = [self.box(image) for _ in range(random.randint(0, 4))]
                if boxes and random.rand() < 0.3:
                    boxes.append(boxes[0])  # two objects in one place
                for box in boxes:
                    crowd = int(self.has("crowds") and self.kind != "lvis" and random.rand() < 0.3)
                    annotation = dict(image_id=image["id"], category_id=int(category), bbox=box, area=box[2] * box[3])
                    annotation["iscrowd"] = crowd
                    if self.iou_type == "segm":
                        form = "plain" if crowd else random.choice(["polygons", "compressed", "plain"])
                        annotation["segmentation"] = self.segmentation(image, box, form)
                        rle = COCO.annToRLE(Sized(image), annotation)
                        annotation["area"] = float(mask_utils.area(rle))
                    if self.has("edges") and random.rand() < 0.3:
                        annotation["area"] = float(random.choice([1024, 1024.5, 1023.5, 9216, 9215.75, 9216.5]))
                    if random.rand() < 0.1:
                        annotation["ignore"] = 1
                    annotations.append(annotation)
        order = random.permutation(len(annotations))
        annotations = [annotations[i] for i in order]
        for place, annotation in enumerate(annotations):
            annotation["id"] = self.first_id + 2 * place
        return annotations

    def federate(self):
        for image in self.images:
            present = {a["category_id"] for a in self.annotations if a["image_id"] == image["id"]}
            others = [c["id"] for c in self.categories if c["id"] not in present]
            image["neg_category_ids"] = [c for c in others if self.random.rand() < 0.6]
            image["not_exhaustive_category_ids"] = [c["id"] for c in self.categories if self.random.rand() < 0.3]
        for category in self.categories:
            category["frequency"] = str(self.random.choice(["r", "c", "f"]))
            category["image_count"] = category["instance_count"] = 1

    def score(self):
        if self.has("one_score"):
            return 0.5
        if self.has("ties"):
            return float(self.random.choice([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]))
        return float(self.random.rand()) if self.has("doubles") else round(float(self.random.rand()), 3)

    def near(self, box):
        """A box whose overlap with the given one is often exactly on a threshold."""
        x, y, width, height = box
        choice = self.random.randint(4)
        if choice == 0:
            return list(box)
        if choice == 1:
            part = float(self.random.choice([0.5, 0.55, 0.6, 0.75, 0.8, 0.95]))
            return [x, y, width * part, height]
        jitter = self.random.uniform(-0.1, 0.1, 4)
        return [
            self.number(x + width * jitter[0]),
            self.number(y + height * jitter[1]),
            self.number(width * (1 + jitter[2])),
            self.number(height * (1 + jitter[3])),
        ]

    def make_detections(self):
        random = self.random
        detections = []
        with_boxes = self.iou_type == "bbox" or random.rand() < 0.5
        for place, image in enumerate(self.images):
            if place == 1 and len(self.images) > 2:
                continue  # an image without detections
            for category in self.with_detections:
                objects = [
                    a for a in self.annotations if a["image_id"] == image["id"] and a["category_id"] == category
                ]
                boxes = [self.near(a["bbox"]) for a in objects for _ in range(random.randint(0, 4))]
                boxes += [self.box(image) for _ in range(random.randint(0, 4))]
                limit = 320 if self.kind == "lvis" else 104
                if self.has("many") and place == 0 and category == self.with_detections[0]:
                    boxes += [self.near(boxes[0]) if boxes else self.box(image) for _ in range(limit)]
                for number, box in enumerate(boxes):
                    detection = dict(image_id=image["id"], category_id=int(category), score=self.score())
                    if with_boxes:
                        detection["bbox"] = box
                    if self.iou_type == "segm":
                        known = [a for a in objects if isinstance(a["segmentation"], dict)]
                        if known and isinstance(known[0]["segmentation"]["counts"], str) and random.rand() < 0.3:
                            detection["segmentation"] = known[0]["segmentation"]
                        elif not with_boxes or number % 3 == 0:
                            detection["segmentation"] = self.segmentation(image, box, "compressed")
                        elif number % 3 == 1:
                            detection["segmentation"] = self.segmentation(image, box, "polygons")
                        # A third has its box as its mask.
                    detections.append(detection)
        if not detections:
            detections.append(dict(image_id=self.images[0]["id"], category_id=int(self.with_detections[0]), score=0.5))
            detections[0]["bbox"] = [1.0, 1.0, 10.0, 10.0]
        return [detections[i] for i in random.permutation(len(detections))]


class Sized:
    """As much of a COCO object as annToRLE looks at."""

    def __init__(self, image):
        self.imgs = {image["id"]: image}


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array, dtype="<f8").tobytes()).hexdigest()


def mean(values):
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else -1


def coco_numbers(truth, detections, iou_type, class_agnostic):
    coco = COCO()
    coco.dataset = copy.deepcopy(truth)
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(detections)), iou_type)
    if class_agnostic:
        evaluation.params.useCats = 0
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    precision = evaluation.eval["precision"]
    return dict(
        numbers=dict(zip(COCO_NAMES, map(float, evaluation.stats))),
        categoryAP=[mean(precision[:, :, k, 0, -1]) for k in range(precision.shape[2])],
        shape=list(precision.shape),
        precision=sha256(precision),
        recall=sha256(evaluation.eval["recall"]),
        scores=sha256(evaluation.eval["scores"]),
    )


def lvis_numbers(truth, detections, iou_type):
    lvis = LVIS.__new__(LVIS)
    lvis.logger = logging.getLogger("lvis")
    lvis.dataset = copy.deepcopy(truth)
    lvis._create_index()
    results = LVISResults(lvis, copy.deepcopy(detections), max_dets=300)
    evaluation = LVISEval(lvis, results, iou_type)
    evaluation.run()
    precision = evaluation.eval["precision"]
    return dict(
        numbers={name.replace("@", ""): float(value) for name, value in evaluation.results.items()},
        categoryAP=[mean(precision[:, :, k, 0]) for k in range(precision.shape[2])],
        shape=list(precision.shape) + [1],
        precision=sha256(precision),
        recall=sha256(evaluation.eval["recall"]),
    )


def make_case(seed, place):
    features = FEATURES[place % len(FEATURES)]
    round_ = place // len(FEATURES)
    kind = ["coco", "coco", "lvis", "coco", "lvis", "agnostic"][round_ % 6]
    iou_type = ["bbox", "segm", "bbox", "bbox", "segm", "bbox"][round_ % 6]
    scene = Scene(seed + place, kind, iou_type, features)
    truth = dict(images=scene.images, annotations=scene.annotations, categories=scene.categories)
    with contextlib.redirect_stdout(io.StringIO()):
        if kind == "lvis":
            expected = lvis_numbers(truth, scene.detections, iou_type)
        else:
            expected = coco_numbers(truth, scene.detections, iou_type, kind == "agnostic")
    name = " ".join([kind, iou_type, *features]) + f" {seed + place}"
    return dict(
        name=name, kind=kind, iouType=iou_type, truth=truth, detections=scene.detections, expected=expected
    )


def make_masks(seed, count):
    random = np.random.RandomState(seed)
    cases = []
    for _ in range(count):
        height, width = random.randint(1, 60, 2)
        polygons = []
        for _ in range(random.randint(1, 4)):
            points = random.randint(3, 9)
            scale = random.choice([0.3, 1, 3])
            polygon = random.uniform(-0.5, 1.5, (points, 2)) * [width, height] * scale
            step = random.choice([0, 1, 0.5, 0.1])
            polygon = np.round(polygon / step) * step if step else polygon
            polygons.append([float(v) for v in polygon.ravel()])
        rle = mask_utils.merge(mask_utils.frPyObjects(polygons, int(height), int(width)))
        cases.append(
            dict(
                size=[int(height), int(width)],
                polygons=polygons,
                counts=rle["counts"].decode(),
                area=int(mask_utils.area(rle)),
                box=[float(v) for v in mask_utils.toBbox(rle)],
            )
        )
    return cases


def compact(value):
    """Whole numbers without their .0: files of a third less."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: compact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [compact(item) for item in value]
    return value


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--cases", type=int, default=72)
    options = parser.parse_args()
    cases = [make_case(options.seed, place) for place in range(options.cases)]
    result = dict(
        versions=dict(numpy="2.4.6", pycocotools="2.0.11", lvis="0.5.3"),
        cases=compact(cases),
        masks=compact(make_masks(options.seed, 60)),
    )
    with open(options.out, "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


main()
