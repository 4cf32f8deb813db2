"""Stage 2 on tars of `villa export-webdataset`, with PyTorch's DistributedDataParallel.

    villa export --checkpoint best.safetensors --out tower.pth
    villa export-webdataset --data-dir data/mine --out tars --checkpoint best.safetensors
    torchrun --nproc_per_node=8 train_ddp.py --tars 'tars/train-*.tar' --sentences tars/train-sentences.pth \
        --weights tower.pth --out trained.pth
    villa evaluate --data-dir data/mine --checkpoint trained.pth

Needs torch and torchvision. Each process takes every n-th tar of a new order each epoch, and contrasts the pairs
of its own batch. The weights are written after each epoch; a run that was cut off goes on with --weights trained.pth.
"""

import argparse
import glob
import json
import os
import sys
import tarfile
from collections import OrderedDict, defaultdict
from random import Random

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torchvision.io import ImageReadMode, decode_image
from torchvision.ops import roi_align

TEMPERATURE = 0.07


class Bottleneck(nn.Module):
    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride)
        self.conv3, self.bn3 = nn.Conv2d(planes, planes * 4, 1, bias=False), nn.BatchNorm2d(planes * 4)
        self.downsample = None
        if stride > 1 or inputs != planes * 4:
            conv = nn.Conv2d(inputs, planes * 4, 1, bias=False)
            parts = [("-1", nn.AvgPool2d(stride)), ("0", conv), ("1", nn.BatchNorm2d(planes * 4))]
            self.downsample = nn.Sequential(OrderedDict(parts))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(self.avgpool(out)))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class AttentionPool(nn.Module):
    def __init__(self, grid, channels, heads, embed_dim):
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.zeros(grid**2 + 1, channels))
        self.q_proj, self.k_proj = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.v_proj, self.c_proj = nn.Linear(channels, channels), nn.Linear(channels, embed_dim)

    def forward(self, x):  # [n, C, g, g]
        tokens = x.flatten(2).permute(2, 0, 1)  # [g², n, C]
        tokens = torch.cat([tokens.mean(0, keepdim=True), tokens]) + self.positional_embedding[:, None]
        count, n, channels = tokens.shape
        split = lambda t: t.reshape(-1, n, self.heads, channels // self.heads).permute(1, 2, 0, 3)
        query, key, value = split(self.q_proj(tokens[:1])), split(self.k_proj(tokens)), split(self.v_proj(tokens))
        attention = (query @ key.transpose(2, 3) * (channels // self.heads) ** -0.5).softmax(-1)
        return self.c_proj((attention @ value).reshape(n, channels))


class ModifiedResNet(nn.Module):
    """CLIP's image tower, with its names; the sizes are read off the weights."""

    def __init__(self, weights):
        super().__init__()
        width = weights["visual.layer1.0.conv1.weight"].shape[0]
        blocks = [len({name.split(".")[2] for name in weights if name.startswith(f"visual.layer{i}.")}) for i in range(1, 5)]
        half = width // 2
        self.conv1, self.bn1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(half)
        self.conv2, self.bn2 = nn.Conv2d(half, half, 3, padding=1, bias=False), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = nn.Conv2d(half, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        inputs = width
        for i, count in enumerate(blocks):
            layer = []
            for block in range(count):
                layer.append(Bottleneck(inputs, width * 2**i, 2 if i > 0 and block == 0 else 1))
                inputs = width * 2**i * 4
            setattr(self, f"layer{i + 1}", nn.Sequential(*layer))
        positions = weights["visual.attnpool.positional_embedding"].shape[0]
        self.grid = round((positions - 1) ** 0.5)
        embed_dim = weights["visual.attnpool.c_proj.weight"].shape[0]
        self.attnpool = AttentionPool(self.grid, inputs, max(1, inputs // 64), embed_dim)
        self.load_state_dict({name[len("visual.") :]: value for name, value in weights.items() if name.startswith("visual.")}, strict=False)

    def forward(self, groups):
        """Groups of equally large images, [b, 3, h, w] in 0 … 1, with boxes [r, 4] of each → [regions, d], normalised."""
        return torch.cat([F.normalize(self.regions(images, boxes), dim=1) for images, boxes in groups])

    def regions(self, images, boxes):
        x = images
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = F.relu(norm(conv(x)))
        x = self.layer3(self.layer2(self.layer1(F.avg_pool2d(x, 2))))
        scale = x.shape[-1] / images.shape[-1]
        x = roi_align(x, boxes, 2 * self.grid, spatial_scale=scale, sampling_ratio=0, aligned=True)
        return self.attnpool(self.layer4(x))


def samples(paths):
    """(image file, record) of every sample; a sample's files follow each other."""
    for path in paths:
        with tarfile.open(path) as tar:
            image = None
            for member in tar:
                contents = tar.extractfile(member).read()
                if member.name.endswith(".json"):
                    yield image, json.loads(contents)
                else:
                    image = contents


def shuffled(items, random, size=1000):
    """Items in random order, as far as a buffer allows."""
    buffer = []
    for item in items:
        buffer.append(item)
        if len(buffer) == size:
            yield buffer.pop(random.randrange(size))
    random.shuffle(buffer)
    yield from buffer


def batches(paths, size, random):
    batch = []
    for sample in shuffled(samples(paths), random):
        batch.append(sample)
        if len(batch) == size:
            yield batch
            batch = []
    if len(batch) > 1:
        yield batch


def collate(batch, sentences, device):
    """Groups of equally large images, and the text embedding of each pair, in the same order."""
    sizes = defaultdict(list)
    for contents, record in batch:
        raw = torch.frombuffer(bytearray(contents), dtype=torch.uint8)
        image = decode_image(raw, ImageReadMode.RGB).float() / 255
        sizes[image.shape].append((image, record["pairs"]))
    groups, texts = [], []
    for members in sizes.values():
        boxes = [torch.tensor([pair["box"] for pair in pairs], dtype=torch.float32, device=device) for _, pairs in members]
        groups.append((torch.stack([image for image, _ in members]).to(device), boxes))
        texts += [torch.stack([sentences[s] for s in pair["sentences"]]).mean(0) for _, pairs in members for pair in pairs]
    return groups, F.normalize(torch.stack(texts), dim=1).to(device)


def info_nce(regions, texts):
    logits = regions @ texts.T / TEMPERATURE
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tars", required=True, help="a pattern, e.g. 'tars/train-*.tar'")
    parser.add_argument("--sentences", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32, help="images a process")
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--weight-decay", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=23, help="of the order of samples")
    args = parser.parse_args()

    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if torch.cuda.is_available() else torch.device("cpu")
    paths = sorted(glob.glob(args.tars))
    if len(paths) < world:
        raise SystemExit(f"{args.tars} gives {len(paths)} tars to {world} processes; export with a smaller --samples-per-tar.")
    sentences = torch.load(args.sentences, map_location="cpu")
    model = ModifiedResNet(torch.load(args.weights, map_location="cpu")).to(device)
    parallel = nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)
    # Adam with L2 decay, as villa stage2 and the original have it.
    optimiser = torch.optim.Adam(parallel.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    for epoch in range(args.epochs):
        # All processes shuffle the tars alike, and each takes its own; other batches each epoch.
        random = Random(args.seed + epoch)
        order = random.sample(paths, len(paths))[rank::world]
        total = steps = 0
        with parallel.join():  # processes may have unequally many batches
            for batch in batches(order, args.batch_size, random):
                groups, texts = collate(batch, sentences, device)
                loss = info_nce(parallel(groups), texts)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total, steps = total + loss.item(), steps + 1
        if rank == 0:
            print(f"epoch {epoch + 1}: loss {total / max(1, steps):.4f}", flush=True)
            state = {f"visual.{name}": value.cpu() for name, value in model.state_dict().items()}
            torch.save(state, f"{args.out}.tmp")
            os.replace(f"{args.out}.tmp", args.out)
    dist.barrier()  # nobody leaves while others still need it


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # Without taking the process group down: PyTorch 1.13 can wait for ever there, for a thread that waits for Python's lock.
    os._exit(0)
