"""Time of one Stage 1 training step in PyTorch, computed as the original does: every head on every row, full autograd.

    python3 stage1.py [--steps 5] [--attributes 20] [--batch 48] [--regions 5] [--dimension 1024]
"""

import argparse
import time

import torch
import torch.nn.functional as F
from common import add_common_arguments, device_of, report, synchronize
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--warmup", type=int, default=1)
parser.add_argument("--dimension", type=int, default=1024)
parser.add_argument("--attributes", type=int, default=20)
parser.add_argument("--batch", type=int, default=48)
parser.add_argument("--regions", type=int, default=5)
parser.add_argument("--epoch", type=int, default=1, help="steps that make the unit of work")
add_common_arguments(parser)
args = parser.parse_args()
device = device_of(args)
d, attributes, batch, regions = args.dimension, args.attributes, args.batch, args.regions

heads = nn.ModuleList(nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d)) for _ in range(attributes)).to(device)
optimizer = torch.optim.AdamW(heads.parameters(), lr=1e-4)
texts = F.normalize(torch.randn(attributes, d, device=device), dim=1)
labels = (torch.rand(batch, attributes, device=device) < 0.5).float()


def loss_of(x):
    projected = F.normalize(torch.stack([head(x) for head in heads], dim=1), dim=2)  # [R, A, d]
    scores = (projected * texts).sum(2) / 0.07  # [R, A]
    best = torch.stack([part.max(0).values for part in torch.split(scores, [regions] * batch)])  # [B, A]
    positive = best.exp()
    denominator = positive + (best * (1 - labels)).exp().sum(0, keepdim=True)
    return -((positive / denominator).log() * labels).sum() / labels.sum()


times = []
for _ in range(args.warmup + args.steps):
    x = torch.randn(batch * regions, d, device=device)
    synchronize(device)
    start = time.perf_counter()
    optimizer.zero_grad()
    loss_of(x).backward()
    optimizer.step()
    synchronize(device)
    times.append(time.perf_counter() - start)
if args.epoch > 1:  # whole epochs: their sum, not the median step
    report(args, device, [sum(times[args.warmup :])], args.epoch / args.steps)
else:
    report(args, device, times[args.warmup :])
