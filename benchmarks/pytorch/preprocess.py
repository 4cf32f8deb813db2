"""PyTorch's side of the preprocessing benchmark: region and text embeddings with CLIP RN50 (random weights).

One image at a time, or all at once, through stem ... layer3, RoIAlign, layer4 and the attention pool, or prompts padded to 77 tokens:
what the Python implementation does. Prints one line of JSON with the seconds an image, or for all prompts.

    python3 preprocess.py image [--width 84] [--height 84] [--images 8] [--regions 5] [--channels-last] [--batched]
    python3 preprocess.py text [--prompts 20]
"""

import argparse
from collections import OrderedDict

import torch
import torch.nn.functional as F
from common import add_common_arguments, device_of, report, timed
from torch import nn
from torchvision.ops import roi_align


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or inputs != planes * 4:
            self.downsample = nn.Sequential(
                OrderedDict(
                    [
                        ("-1", nn.AvgPool2d(stride)),
                        ("0", nn.Conv2d(inputs, planes * 4, 1, bias=False)),
                        ("1", nn.BatchNorm2d(planes * 4)),
                    ]
                )
            )

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.avgpool(self.relu(self.bn2(self.conv2(out))))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class AttentionPool(nn.Module):
    def __init__(self, grid, channels, heads, outputs):
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(grid**2 + 1, channels) / channels**0.5)
        self.k_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, outputs)
        self.heads = heads

    def forward(self, x):
        x = x.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(dim=0, keepdim=True), x], dim=0)
        x = x + self.positional_embedding[:, None, :]
        x, _ = F.multi_head_attention_forward(
            query=x[:1],
            key=x,
            value=x,
            embed_dim_to_check=x.shape[-1],
            num_heads=self.heads,
            q_proj_weight=self.q_proj.weight,
            k_proj_weight=self.k_proj.weight,
            v_proj_weight=self.v_proj.weight,
            in_proj_weight=None,
            in_proj_bias=torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias]),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.c_proj.weight,
            out_proj_bias=self.c_proj.bias,
            use_separate_proj_weight=True,
            training=False,
            need_weights=False,
        )
        return x.squeeze(0)


class ModifiedResNet(nn.Module):
    def __init__(self, layers=(3, 4, 6, 3), width=64, outputs=1024, grid=7):
        super().__init__()
        half = width // 2
        stem = [(3, half, 2), (half, half, 1), (half, width, 1)]
        self.stem = nn.Sequential(
            *[
                nn.Sequential(nn.Conv2d(i, o, 3, stride=s, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))
                for i, o, s in stem
            ],
            nn.AvgPool2d(2),
        )
        inputs = width
        for index, count in enumerate(layers):
            planes = width * 2**index
            blocks = []
            for block in range(count):
                blocks.append(Bottleneck(inputs, planes, 2 if index > 0 and block == 0 else 1))
                inputs = planes * 4
            setattr(self, f"layer{index + 1}", nn.Sequential(*blocks))
        self.attnpool = AttentionPool(grid, width * 32, width * 32 // 64, outputs)

    def features(self, x):
        return self.layer3(self.layer2(self.layer1(self.stem(x))))

    def regions(self, images, boxes):
        """Embeddings of the same boxes in every image."""
        features = self.features(images)
        index = torch.arange(len(images), device=boxes.device).repeat_interleave(len(boxes))
        rois = torch.cat([index.to(boxes.dtype)[:, None], boxes.repeat(len(images), 1)], 1)
        x = roi_align(features, rois, (14, 14), features.shape[-1] / images.shape[-1], 0, True)
        layout = torch.channels_last if images.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        return self.attnpool(self.layer4(x.contiguous(memory_format=layout)))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class TextBlock(nn.Module):
    def __init__(self, width, heads, mask):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width))
        self.ln_2 = nn.LayerNorm(width)
        self.mask = mask

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=self.mask)[0]
        return x + self.mlp(self.ln_2(x))


class TextTransformer(nn.Module):
    def __init__(self, width=512, heads=8, layers=12, context=77, vocabulary=49408, outputs=1024):
        super().__init__()
        mask = torch.full((context, context), float("-inf")).triu_(1)
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(context, width) * 0.01)
        self.blocks = nn.Sequential(*[TextBlock(width, heads, mask) for _ in range(layers)])
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, outputs) * width**-0.5)

    def forward(self, ids):
        x = self.token_embedding(ids) + self.positional_embedding
        x = self.ln_final(self.blocks(x.permute(1, 0, 2)).permute(1, 0, 2))
        return x[torch.arange(len(ids)), ids.argmax(-1)] @ self.text_projection


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["image", "text"])
    parser.add_argument("--width", type=int, default=84)
    parser.add_argument("--height", type=int, default=84)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--regions", type=int, default=5)
    parser.add_argument("--channels-last", action="store_true", help="memory layout of maps and filters")
    parser.add_argument("--batched", action="store_true", help="all images at once")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    add_common_arguments(parser)
    args = parser.parse_args()
    device = device_of(args)
    with torch.no_grad():
        if args.what == "image":
            layout = torch.channels_last if args.channels_last else torch.contiguous_format
            vision = ModifiedResNet().eval().to(device, memory_format=layout)
            x, y = args.width / 3, args.height / 3
            cells = [(x * (i % 3), y * (i // 3 % 3)) for i in range(args.regions)]
            boxes = torch.tensor([[left, top, left + x, top + y] for left, top in cells], device=device)
            images = torch.rand(args.images, 3, args.height, args.width, device=device).contiguous(memory_format=layout)
            batches = [images] if args.batched else images.split(1)
            times, _ = timed(args.repeats, device, lambda: [vision.regions(batch, boxes) for batch in batches])
            report(args, device, times, 1 / args.images)
        else:
            text = TextTransformer().eval().to(device)
            ids = torch.zeros(args.prompts, 77, dtype=torch.long, device=device)
            ids[:, :7] = torch.tensor([49406, 518, 2867, 2665, 320, 2097, 49407], device=device)
            times, _ = timed(args.repeats, device, lambda: text(ids))
            report(args, device, times)


if __name__ == "__main__":
    main()
