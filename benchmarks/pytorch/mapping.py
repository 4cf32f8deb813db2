"""Time of mapping images with Stage 1 heads in PyTorch, computed as the original does: one image at a time, all heads.

Usage: python3 mapping.py [--images 655] [--limit 100]; prints one line of JSON. With --limit only that many images are run
and the time is scaled up.
"""
import argparse, json, time
import torch
from torch import nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--images", type=int, default=655)
parser.add_argument("--limit", type=int, default=655)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--dimension", type=int, default=1024)
parser.add_argument("--attributes", type=int, default=20)
parser.add_argument("--regions", type=int, default=5)
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(23)
d, attributes = args.dimension, args.attributes
heads = nn.ModuleList(nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d)) for _ in range(attributes))
texts = F.normalize(torch.randn(attributes, d), dim=1)
images = [torch.randn(args.regions, d) for _ in range(args.limit)]
labels = [(torch.rand(attributes) < 0.5).nonzero().flatten().tolist() for _ in range(args.limit)]


def map_image(x, wanted):
    projected = torch.cat([head(x) for head in heads], dim=1).view(-1, attributes, d)
    projected = F.normalize(projected, dim=2)
    return {a: (projected[:, a, :] @ texts[a]).tolist() for a in wanted}


with torch.no_grad():
    map_image(images[0], labels[0])
    start = time.perf_counter()
    for x, wanted in zip(images, labels):
        map_image(x, wanted)
    seconds = (time.perf_counter() - start) * args.images / args.limit
print(json.dumps({
    "benchmark": "stage1 mapping", "program": f"PyTorch {torch.__version__}", "threads": args.threads,
    "images": args.images, "seconds": seconds,
}))
