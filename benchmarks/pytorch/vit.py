"""Time of CLIP ViT-B/16 in PyTorch: features of whole images, of texts, or a Stage 2 step of all weights.

The towers are as OpenCLIP builds them (`nn.MultiheadAttention`, so scaled_dot_product_attention), random weights and
pictures. A step cuts regions from the dense map of the last block's value path: means of patches, which cost less than
RoIAlign; InfoNCE, Adam with L2 decay. Prints one line of JSON.

    python3 vit.py image|text|step [--images 8] [--regions 6] [--prompts 20] [--batched]
"""

import argparse

import torch
import torch.nn.functional as F
from common import add_common_arguments, device_of, report, timed
from torch import nn

SIDE, PATCH, WIDTH, OUT = 224, 16, 768, 512
GRID = SIDE // PATCH


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width))

    def forward(self, x, mask=None):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))

    def by_value(self, x):
        """Every token keeps its own value."""
        width = x.shape[-1]
        attention = self.attn
        value = F.linear(self.ln_1(x), attention.in_proj_weight[-width:], attention.in_proj_bias[-width:])
        x = x + attention.out_proj(value)
        return x + self.mlp(self.ln_2(x))


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(WIDTH) * 0.02)
        self.positional_embedding = nn.Parameter(torch.randn(GRID**2 + 1, WIDTH) * 0.02)
        self.ln_pre, self.ln_post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList([Block(WIDTH, WIDTH // 64) for _ in range(12)])
        self.proj = nn.Parameter(torch.randn(WIDTH, OUT) * WIDTH**-0.5)

    def embed(self, images):
        x = self.conv1(images).flatten(2).transpose(1, 2)
        token = self.class_embedding.expand(len(x), 1, -1)
        return self.ln_pre(torch.cat([token, x], 1) + self.positional_embedding)

    def forward(self, images):
        x = self.embed(images)
        for block in self.blocks:
            x = block(x)
        return self.ln_post(x[:, 0]) @ self.proj

    def dense(self, images):
        x = self.embed(images)
        for block in self.blocks[:-1]:
            x = block(x)
        return self.ln_post(self.blocks[-1].by_value(x)[:, 1:]) @ self.proj


class Text(nn.Module):
    def __init__(self, width=512, heads=8, layers=12, context=77, vocabulary=49408):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(context, width) * 0.01)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, OUT) * width**-0.5)
        self.register_buffer("mask", torch.full((context, context), float("-inf")).triu_(1))

    def forward(self, ids):
        x = self.token_embedding(ids) + self.positional_embedding
        for block in self.blocks:
            x = block(x, self.mask)
        return self.ln_final(x)[torch.arange(len(ids)), ids.argmax(-1)] @ self.text_projection


def training_step(args, device):
    model = Vision().train().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-5, weight_decay=0.2)
    count = args.images * args.regions
    shares = F.normalize(torch.rand(args.regions, GRID**2, device=device), p=1, dim=1)
    text = F.normalize(torch.randn(count, OUT, device=device), dim=1)
    target = torch.arange(count, device=device)

    def step():
        images = torch.rand(args.images, 3, SIDE, SIDE, device=device)
        optimizer.zero_grad()
        rows = F.normalize((shares @ model.dense(images)).flatten(0, 1), dim=1)
        logits = rows @ text.T / 0.07
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        loss.backward()
        optimizer.step()

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["image", "text", "step"])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--regions", type=int, default=6)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batched", action="store_true", help="all images at once")
    add_common_arguments(parser)
    args = parser.parse_args()
    device = device_of(args)
    scale = 1.0
    if args.what == "step":
        walls, cpus = timed(args.repeats, device, training_step(args, device))
    elif args.what == "image":
        model = Vision().eval().to(device)
        images = torch.rand(args.images, 3, SIDE, SIDE, device=device)
        batches = [images] if args.batched else images.split(1)
        with torch.no_grad():
            walls, cpus = timed(args.repeats, device, lambda: [model(batch) for batch in batches])
        scale = 1 / args.images
    else:
        model = Text().eval().to(device)
        ids = torch.zeros(args.prompts, 77, dtype=torch.long, device=device)
        ids[:, :7] = torch.tensor([49406, 518, 2867, 2665, 320, 2097, 49407], device=device)
        with torch.no_grad():
            walls, cpus = timed(args.repeats, device, lambda: model(ids))
    report(args, device, walls, scale, cpus)


if __name__ == "__main__":
    main()
