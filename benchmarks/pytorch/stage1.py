"""Time of one Stage 1 training step in PyTorch, computed as the original does: every head on every row, full autograd.

Usage: python3 stage1.py [--steps 5] [--threads 2]; prints one line of JSON.
"""
import argparse, json, resource, time
import torch
from torch import nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--warmup", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--dimension", type=int, default=1024)
parser.add_argument("--attributes", type=int, default=20)
parser.add_argument("--batch", type=int, default=48)
parser.add_argument("--regions", type=int, default=5)
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(23)
d, attributes, batch, regions = args.dimension, args.attributes, args.batch, args.regions

heads = nn.ModuleList(nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d)) for _ in range(attributes))
optimizer = torch.optim.AdamW(heads.parameters(), lr=1e-4)
texts = F.normalize(torch.randn(attributes, d), dim=1)
labels = (torch.rand(batch, attributes) < 0.5).float()


def loss_of(x):
    projected = F.normalize(torch.stack([head(x) for head in heads], dim=1), dim=2)  # [R, A, d]
    scores = (projected * texts).sum(2) / 0.07  # [R, A]
    best = torch.stack([part.max(0).values for part in torch.split(scores, [regions] * batch)])  # [B, A]
    positive = best.exp()
    denominator = positive + (best * (1 - labels)).exp().sum(0, keepdim=True)
    return -((positive / denominator).log() * labels).sum() / labels.sum()


times = []
for step in range(args.warmup + args.steps):
    x = torch.randn(batch * regions, d)
    start = time.perf_counter()
    optimizer.zero_grad()
    loss = loss_of(x)
    loss.backward()
    optimizer.step()
    times.append(time.perf_counter() - start)
times = sorted(times[args.warmup:])
print(json.dumps({
    "benchmark": "stage1 step", "program": f"PyTorch {torch.__version__}", "threads": args.threads,
    "seconds": times[len(times) // 2], "fastest": times[0],
    "peakMemoryMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
