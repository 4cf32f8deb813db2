"""Time of mapping images with Stage 1 heads in PyTorch, computed as the original does: one image at a time, all heads.

    python3 mapping.py [--images 655] [--limit 100]

With --limit only that many images are run and the time is scaled up.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from common import add_common_arguments, device_of, report, synchronize
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--images", type=int, default=655)
parser.add_argument("--limit", type=int, default=655)
parser.add_argument("--dimension", type=int, default=1024)
parser.add_argument("--attributes", type=int, default=20)
parser.add_argument("--regions", type=int, default=5)
add_common_arguments(parser)
args = parser.parse_args()
device = device_of(args)
d, attributes = args.dimension, args.attributes
heads = nn.ModuleList(nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d)) for _ in range(attributes)).to(device)
texts = F.normalize(torch.randn(attributes, d, device=device), dim=1)
images = [torch.randn(args.regions, d, device=device) for _ in range(args.limit)]
labels = [(torch.rand(attributes) < 0.5).nonzero().flatten().tolist() for _ in range(args.limit)]


def map_image(x, wanted):
    projected = torch.cat([head(x) for head in heads], dim=1).view(-1, attributes, d)
    projected = F.normalize(projected, dim=2)
    return {a: (projected[:, a, :] @ texts[a]).tolist() for a in wanted}


with torch.no_grad():
    map_image(images[0], labels[0])
    synchronize(device)
    start = time.perf_counter()
    for x, wanted in zip(images, labels):
        map_image(x, wanted)
    synchronize(device)
    seconds = time.perf_counter() - start
report(args, device, [seconds], args.images / args.limit)
