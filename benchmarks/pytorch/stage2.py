"""Time of one Stage 2 training step in PyTorch: CLIP RN50's image tower on regions, InfoNCE, Adam with L2 decay.

As the original: stem ... layer3 on whole images, RoIAlign, layer4 and the attention pool on every region, BatchNorm in
training mode. Random weights and pictures. Prints one line of JSON.

    python3 stage2.py [--side 84] [--images 8] [--regions 6] [--steps 3] [--channels-last]
"""

import argparse

import torch
import torch.nn.functional as F
from common import add_common_arguments, device_of, report, timed
from preprocess import ModifiedResNet
from torchvision.ops import roi_align

parser = argparse.ArgumentParser()
parser.add_argument("--side", type=int, default=84)
parser.add_argument("--images", type=int, default=8)
parser.add_argument("--regions", type=int, default=6)
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--warmup", type=int, default=1)
parser.add_argument("--channels-last", action="store_true")
add_common_arguments(parser)
args = parser.parse_args()
device = device_of(args)

layout = torch.channels_last if args.channels_last else torch.contiguous_format
model = ModifiedResNet().train().to(device, memory_format=layout)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-5, weight_decay=0.2)
count = args.images * args.regions
cell = args.side / 3
cells = [(cell * (i % 3), cell * (i // 3 % 3), cell) for i in range(args.regions - 1)] + [(0.0, 0.0, args.side - 1.0)]
boxes = torch.tensor([[x, y, x + side, y + side] for x, y, side in cells] * args.images, device=device)
index = torch.arange(args.images, device=device).repeat_interleave(args.regions).float()[:, None]
text = F.normalize(torch.randn(count, 1024, device=device), dim=1)


def step():
    images = torch.rand(args.images, 3, args.side, args.side, device=device).contiguous(memory_format=layout)
    optimizer.zero_grad()
    features = model.features(images)
    rois = torch.cat([index, boxes], 1)
    regions = roi_align(features, rois, (14, 14), features.shape[-1] / images.shape[-1], 0, True)
    embeddings = F.normalize(model.attnpool(model.layer4(regions.contiguous(memory_format=layout))), dim=1)
    logits = embeddings @ text.T / 0.07
    target = torch.arange(count, device=device)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    loss.backward()
    optimizer.step()


times, _ = timed(args.steps, device, step, args.warmup)
report(args, device, times)
