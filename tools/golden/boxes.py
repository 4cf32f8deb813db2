"""Writes boxes.json: non-maximum suppression and phrase grounding by torchvision's operations.

    pip install numpy==2.4.6 torch==2.14.1 torchvision==0.29.1
    python boxes.py OUT.json [--seed N]

Phrase grounding follows MDETR's evaluation: the first k boxes, `box_iou` with any true box or with the box around them all.
"""

import argparse
import json

import numpy as np
import torch
from torchvision.ops import batched_nms, box_iou, nms


def boxes(random, count):
    corner = random.randint(0, 60, (count, 2))
    size = random.randint(0, 40, (count, 2))
    return np.concatenate([corner, corner + size], 1).astype(float)


def suppression(random):
    some = boxes(random, 40)
    scores = random.permutation(40) / 64
    categories = random.randint(0, 3, 40)
    threshold = float(random.choice([0.3, 0.5, 0.7]))
    tensors = torch.tensor(some), torch.tensor(scores)
    return dict(
        boxes=some.astype(int).tolist(),
        scores=scores.tolist(),
        categories=categories.tolist(),
        threshold=threshold,
        kept=nms(*tensors, threshold).tolist(),
        keptByCategory=batched_nms(*tensors, torch.tensor(categories), threshold).tolist(),
    )


def grounding(random):
    queries = []
    for _ in range(12):
        truth = boxes(random, random.randint(1, 4))
        offered = boxes(random, 12)
        for place in random.permutation(12)[:3]:
            offered[place] = truth[0] + random.randint(-4, 5, 4)
        offered[:, 2:] = np.maximum(offered[:, :2], offered[:, 2:])
        queries.append((offered, random.permutation(12) / 16, truth))

    def results(protocol):
        found, best = [], []
        for offered, scores, truth in queries:
            if protocol == "merged-boxes":
                truth = np.concatenate([truth[:, :2].min(0), truth[:, 2:].max(0)])[None]
            order = np.argsort(-scores)
            overlap = torch.nan_to_num(box_iou(torch.tensor(offered[order]), torch.tensor(truth))).max(1).values
            found.append([bool((overlap[:k] >= 0.5).any()) for k in (1, 5, 10)])
            best.append(float(overlap[0]))
        return dict(recall=np.mean(found, 0).tolist(), meanIou=float(np.mean(best)))

    return dict(
        queries=[
            dict(boxes=o.astype(int).tolist(), scores=s.tolist(), truth=t.astype(int).tolist()) for o, s, t in queries
        ],
        anyBox=results("any-box"),
        mergedBoxes=results("merged-boxes"),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    random = np.random.RandomState(options.seed)
    result = dict(
        versions=dict(numpy="2.4.6", torch="2.14.1", torchvision="0.29.1"),
        suppression=[suppression(random) for _ in range(8)],
        grounding=[grounding(random) for _ in range(4)],
    )
    with open(options.out, "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


main()
