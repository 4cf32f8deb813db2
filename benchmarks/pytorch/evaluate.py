"""Time of region-text retrieval metrics in PyTorch: scores of all pairs, full sorts, R-Precision in both directions.

    python3 evaluate.py [--regions 20000] [--attributes 20] [--dimension 1024]
"""

import argparse
import time

import torch
import torch.nn.functional as F
from common import add_common_arguments, device_of, report, synchronize

parser = argparse.ArgumentParser()
parser.add_argument("--regions", type=int, default=20000)
parser.add_argument("--attributes", type=int, default=20)
parser.add_argument("--dimension", type=int, default=1024)
parser.add_argument("--repeats", type=int, default=3)
add_common_arguments(parser)
args = parser.parse_args()
device = device_of(args)
regions = F.normalize(torch.randn(args.regions, args.dimension, device=device), dim=1)
texts = F.normalize(torch.randn(args.attributes, args.dimension, device=device), dim=1)
labels = torch.rand(args.regions, args.attributes, device=device) < 0.2


def r_precision(scores, relevant):
    """Mean over rows of the share of relevant entries among the first R."""
    order = scores.argsort(dim=1, descending=True)
    hits = relevant.gather(1, order)
    counts = relevant.sum(1)
    first = torch.arange(scores.shape[1], device=scores.device)[None] < counts[:, None]
    return ((hits & first).sum(1)[counts > 0] / counts[counts > 0]).mean().item()


times = []
for _ in range(1 + args.repeats):
    synchronize(device)
    start = time.perf_counter()
    scores = regions @ texts.T
    r_precision(scores.T, labels.T)
    r_precision(scores, labels)
    times.append(time.perf_counter() - start)
report(args, device, times[1:])
