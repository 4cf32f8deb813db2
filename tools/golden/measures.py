"""Writes measures.json: classification, retrieval, contrast and bootstrap values of scikit-learn, torchmetrics and numpy.

    pip install numpy==2.4.6 scikit-learn==1.9.1 torch==2.13.0 torchmetrics==1.9.0
    python measures.py OUT.json [--seed N]

Inputs are rounded so that the file stays small. Where the libraries decide ties by the order of rows, there are none.
"""

import argparse
import json

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, top_k_accuracy_score
from torchmetrics.retrieval import RetrievalHitRate


def different(random, shape):
    """Random scores of which no two are equal, exact in float32."""
    count = int(np.prod(shape))
    return (random.permutation(4 * count)[:count] / 1024).reshape(shape)


def top_k(random):
    examples, classes = int(random.randint(20, 40)), int(random.randint(6, 9))
    scores = different(random, (examples, classes))
    labels = np.concatenate([np.arange(classes), random.randint(0, classes, examples - classes)])
    return dict(
        scores=scores.ravel().tolist(),
        labels=labels.tolist(),
        classes=classes,
        top1=top_k_accuracy_score(labels, scores, k=1),
        top5=top_k_accuracy_score(labels, scores, k=5),
        meanPerClass=balanced_accuracy_score(labels, scores.argmax(1)),
    )


def auroc(random):
    examples, labels = int(random.randint(20, 60)), 3
    scores = np.round(random.rand(examples, labels), 1)  # with ties
    truth = (random.rand(examples, labels) < 0.4).astype(int)
    truth[0], truth[1] = 0, 1
    return dict(
        scores=scores.ravel().tolist(),
        labels=truth.ravel().tolist(),
        labelCount=labels,
        perLabel=roc_auc_score(truth, scores, average=None).tolist(),
        macro=roc_auc_score(truth, scores),
    )


def retrieval(random):
    images = int(random.randint(8, 14))
    image_of = random.permutation(np.repeat(np.arange(images), random.randint(1, 4, images)))
    scores = different(random, (images, len(image_of)))
    relevant = np.arange(images)[:, None] == image_of[None, :]

    def hit_rate(values, target, k):
        queries = torch.arange(len(values))[:, None].expand(values.shape)
        metric = RetrievalHitRate(top_k=k)
        return float(metric(torch.tensor(values).flatten(), torch.tensor(target).flatten(), queries.flatten()))

    return dict(
        images=images,
        imageOf=image_of.tolist(),
        scores=scores.ravel().tolist(),
        imageToText=[hit_rate(scores, relevant, k) for k in (1, 5, 10)],
        textToImage=[hit_rate(scores.T.copy(), relevant.T.copy(), min(k, images)) for k in (1, 5, 10)],
    )


def contrast(random):
    height, width = (int(side) for side in random.randint(4, 9, 2))
    scores = np.round(random.rand(height, width), 3)
    scores[random.rand(height, width) < 0.1] = np.nan
    x0, y0 = int(random.randint(0, width - 2)), int(random.randint(0, height - 2))
    x1, y1 = int(random.randint(x0 + 1, width)), int(random.randint(y0 + 1, height))
    inside = np.zeros((height, width), bool)
    inside[y0:y1, x0:x1] = True
    a, b = scores[inside], scores[~inside]
    ratio = (np.nanmean(a) - np.nanmean(b)) / np.sqrt(np.nanvar(a) + np.nanvar(b))
    return dict(
        scores=[None if np.isnan(v) else v for v in scores.ravel().tolist()],
        height=height,
        width=width,
        box=[x0, y0, x1, y1],
        ratio=None if np.isnan(ratio) else float(ratio),
    )


def bootstrap(random):
    items, resamples, seed = int(random.randint(5, 30)), 200, int(random.randint(0, 1000))
    values = np.round(random.rand(items), 3)
    groups = random.randint(0, 6, items)
    draws = np.random.RandomState(seed)
    means = [values[draws.randint(0, items, items)].mean() for _ in range(resamples)]
    draws = np.random.RandomState(seed)
    members = [np.flatnonzero(groups == group) for group in dict.fromkeys(groups.tolist())]
    grouped = [
        values[np.concatenate([members[g] for g in draws.randint(0, len(members), len(members))])].mean()
        for _ in range(resamples)
    ]
    return dict(
        values=values.tolist(),
        groups=groups.tolist(),
        resamples=resamples,
        seed=seed,
        interval=np.quantile(means, [0.025, 0.975]).tolist(),
        groupedInterval=np.quantile(grouped, [0.05, 0.95]).tolist(),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    random = np.random.RandomState(options.seed)
    makers = dict(topK=top_k, auroc=auroc, retrieval=retrieval, contrast=contrast, bootstrap=bootstrap)
    result = dict(versions={"numpy": "2.4.6", "scikit-learn": "1.9.1", "torch": "2.13.0", "torchmetrics": "1.9.0"})
    result |= {name: [make(random) for _ in range(6)] for name, make in makers.items()}
    with open(options.out, "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


main()
