"""Writes the Stage 2 cases of tools/testing/fixtures/training.json; every other key of the file stays as it is.

PyTorch 1.13.0, torchvision 0.14.1, NumPy 1.24.2 (Debian 12: python3-torch, python3-torchvision), one thread:

    OMP_NUM_THREADS=1 /usr/bin/python3 tools/golden/training.py

ReLU has a kink at zero. Where a pre-activation lies within float32's rounding of it, every engine decides for itself
whether a gradient passes, and Adam's first step, which goes by the gradient's sign, turns that into different weights. A
case of the usual size has some 10^6 pre-activations and so about one such place in every step. The cases written here have
none: the salt is searched until, in every step and at every ReLU, the smallest |pre-activation| in float64 exceeds the
largest difference between float32 and float64 at that ReLU by the factor `CLEARANCE`. Both runs train on their own
weights, so what the optimiser makes of rounding is in that difference too. `kink_clearance` in a case is the smallest
such ratio.

The model is CLIP's ModifiedResNet (github.com/openai/CLIP) with RoIAlign between layer3 and layer4, the inputs come from
names by the rules of the golden values, and the values are those of the float32 run.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.ops import roi_align

from weight_containers import unit, weight

CLEARANCE = 3
FIXTURES = Path(__file__).parents[1] / "testing/fixtures"
SIDE = 84
MOMENTUM, BN_EPSILON = 0.1, 1e-5
WATCHED_GRADIENTS = [
    "visual.conv1.weight",
    "visual.bn1.weight",
    "visual.layer2.0.conv2.weight",
    "visual.layer4.0.downsample.0.weight",
    "visual.attnpool.positional_embedding",
    "visual.attnpool.q_proj.weight",
    "visual.attnpool.c_proj.bias",
]
WATCHED_AFTER = [
    "visual.conv1.weight",
    "visual.bn1.running_mean",
    "visual.bn1.running_var",
    "visual.layer4.0.bn2.running_var",
    "visual.attnpool.k_proj.weight",
]
# Boxes of each image's regions for every step; the last one is the whole image, as Stage 2 has it.
WHOLE = [0, 0, SIDE - 1, SIDE - 1]
CASES = [
    {"name": "two-steps", "boxes": [[[[0, 0, 28, 28], WHOLE], [WHOLE]], [[[56, 28, 84, 56], WHOLE], [WHOLE]]]},
    {"name": "one-step", "boxes": [[[[28, 0, 56, 28], [28, 56, 56, 84], WHOLE], [[56, 56, 84, 84], WHOLE]]]},
]
SETTINGS = {"lr": 5e-5, "weight_decay": 0.2, "temperature": 0.07}


class Tower:
    """CLIP's image tower in training mode on one dtype; remembers the input of every ReLU of its last forward pass."""

    def __init__(self, config, salt, dtype):
        self.config, self.dtype, self.relus = config, dtype, []
        self.values = {}
        for name, shape in shapes_of(config).items():
            value = torch.tensor(np.float32(weight(salt, name, shape))).to(dtype)
            self.values[name] = value if "running" in name else value.requires_grad_()

    def parameters(self):
        return {name: value for name, value in self.values.items() if "running" not in name}

    def forward(self, images, boxes, training=True):
        self.relus, self.training = [], training
        x = images.to(self.dtype)
        for i, stride in ((1, 2), (2, 1), (3, 1)):
            x = self.relu(self.norm(F.conv2d(x, self.values[f"visual.conv{i}.weight"], stride=stride, padding=1), f"visual.bn{i}"))
        x = F.avg_pool2d(x, 2)
        for layer, blocks in enumerate(self.config["vision_layers"], start=1):
            if layer == 4:
                x = roi_align(x, [b.to(self.dtype) for b in boxes], output_size=14, spatial_scale=x.shape[3] / SIDE, sampling_ratio=0, aligned=True)
            for block in range(blocks):
                x = self.bottleneck(x, f"visual.layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1)
        return F.normalize(self.attention_pool(x), dim=1)

    def bottleneck(self, x, name, stride):
        conv = lambda y, key, padding=0: F.conv2d(y, self.values[f"{name}.{key}.weight"], padding=padding)
        y = self.relu(self.norm(conv(x, "conv1"), f"{name}.bn1"))
        y = self.relu(self.norm(conv(y, "conv2", 1), f"{name}.bn2"))
        if stride > 1:
            y = F.avg_pool2d(y, stride)
        y = self.norm(conv(y, "conv3"), f"{name}.bn3")
        if f"{name}.downsample.0.weight" in self.values:
            x = F.avg_pool2d(x, stride) if stride > 1 else x
            x = self.norm(conv(x, "downsample.0"), f"{name}.downsample.1")
        return self.relu(y + x)

    def norm(self, x, name):
        mean, var, gain, bias = (self.values[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, gain, bias, self.training, MOMENTUM, BN_EPSILON)

    def relu(self, x):
        self.relus.append(x.detach().clone())
        return F.relu(x)

    def attention_pool(self, x):
        get = lambda key: self.values[f"visual.attnpool.{key}"]
        x = x.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(dim=0, keepdim=True), x]) + get("positional_embedding")[:, None, :]
        pooled, _ = F.multi_head_attention_forward(
            query=x[:1], key=x, value=x, embed_dim_to_check=x.shape[-1], num_heads=heads_of(self.config),
            q_proj_weight=get("q_proj.weight"), k_proj_weight=get("k_proj.weight"), v_proj_weight=get("v_proj.weight"),
            in_proj_weight=None, in_proj_bias=torch.cat([get("q_proj.bias"), get("k_proj.bias"), get("v_proj.bias")]),
            bias_k=None, bias_v=None, add_zero_attn=False, dropout_p=0.0,
            out_proj_weight=get("c_proj.weight"), out_proj_bias=get("c_proj.bias"),
            use_separate_proj_weight=True, training=self.training, need_weights=False)
        return pooled[0]


def heads_of(config):
    return config["vision_width"] * 32 // 64


def shapes_of(config):
    """Names and shapes of the tower's state dict."""
    width, shapes = config["vision_width"], {}

    def conv(name, inputs, outputs, size):
        shapes[f"{name}.weight"] = (outputs, inputs, size, size)

    def norm(name, channels):
        for key in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{key}"] = (channels,)

    for i, (inputs, outputs) in enumerate(((3, width // 2), (width // 2, width // 2), (width // 2, width)), start=1):
        conv(f"visual.conv{i}", inputs, outputs, 3)
        norm(f"visual.bn{i}", outputs)
    inputs = width
    for layer, blocks in enumerate(config["vision_layers"], start=1):
        planes = width * 2 ** (layer - 1)
        for block in range(blocks):
            name = f"visual.layer{layer}.{block}"
            for i, (a, b, size) in enumerate(((inputs, planes, 1), (planes, planes, 3), (planes, planes * 4, 1)), start=1):
                conv(f"{name}.conv{i}", a, b, size)
                norm(f"{name}.bn{i}", b)
            if block == 0:
                conv(f"{name}.downsample.0", inputs, planes * 4, 1)
                norm(f"{name}.downsample.1", planes * 4)
            inputs = planes * 4
    pool = "visual.attnpool"
    shapes[f"{pool}.positional_embedding"] = ((config["image_resolution"] // 32) ** 2 + 1, inputs)
    for key, outputs in (("q", inputs), ("k", inputs), ("v", inputs), ("c", config["embed_dim"])):
        shapes[f"{pool}.{key}_proj.weight"] = (outputs, inputs)
        shapes[f"{pool}.{key}_proj.bias"] = (outputs,)
    return shapes


def info_nce(images, texts, temperature):
    logits = images @ texts.T / temperature
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def step_inputs(salt, step, boxes, config):
    count = len(boxes)
    pixels = np.clip(np.floor((unit(f"{salt}:img:{step}", count * 3 * SIDE * SIDE) + 1) * 128), 0, 255)
    images = torch.tensor(np.float32(pixels / 255).reshape(count, 3, SIDE, SIDE))
    rows = sum(len(own) for own in boxes)
    text = torch.tensor(np.float32(unit(f"{salt}:txt:{step}", rows * config["embed_dim"])).reshape(rows, -1))
    return images, F.normalize(text, dim=1), [torch.tensor(own, dtype=torch.float32) for own in boxes]


def clearance(exact, rounded):
    """Smallest |pre-activation| over the largest rounding difference, over all ReLUs."""
    return min(a.abs().min().item() / max((a - b).abs().max().item(), 1e-12) for a, b in zip(exact.relus, rounded.relus))


def attempt(salt, case, config):
    """The case of this salt, or None when a pre-activation is too near to the kink."""
    exact, rounded = (Tower(config, salt, dtype) for dtype in (torch.float64, torch.float32))
    optimizers = [
        torch.optim.Adam(tower.parameters().values(), lr=SETTINGS["lr"], weight_decay=SETTINGS["weight_decay"])
        for tower in (exact, rounded)
    ]
    steps, least = [], math.inf
    for step, boxes in enumerate(case["boxes"]):
        images, text, rois = step_inputs(salt, step, boxes, config)
        embeddings = []
        for tower in (exact, rounded):
            embeddings.append(tower.forward(images, rois))
        least = min(least, clearance(exact, rounded))
        if least < CLEARANCE:
            return None
        for tower, output, optimizer in zip((exact, rounded), embeddings, optimizers):
            optimizer.zero_grad()
            loss = info_nce(output, text.to(tower.dtype), SETTINGS["temperature"])
            loss.backward()
            if tower is rounded:
                steps.append({
                    "num_regions": [len(own) for own in boxes],
                    "regions": [box for own in boxes for box in own],
                    "loss": loss.item(),
                    "img_emb": summary(output),
                    "grads": {name: summary(tower.values[name].grad) for name in WATCHED_GRADIENTS},
                })
            optimizer.step()
    with torch.no_grad():
        output = rounded.forward(images, rois, training=False)
        eval_loss = info_nce(output, text, SETTINGS["temperature"]).item()
    return {
        "salt": salt,
        "batch": len(case["boxes"][0]),
        **SETTINGS,
        "kink_clearance": least,
        "steps": steps,
        "after": {name: summary(rounded.values[name]) for name in WATCHED_AFTER},
        "eval_loss_last_batch": eval_loss,
    }


def summary(tensor):
    flat = tensor.detach().double().flatten()
    return {"mean": flat.mean().item(), "l2": flat.norm().item(), "first8": flat[:8].tolist(), "last4": flat[-4:].tolist()}


def main(path, most):
    torch.set_num_threads(1)
    clip_cases = json.loads((FIXTURES / "clip.json").read_text())
    config = next(case["config"] for case in clip_cases if case["kind"] == "mini")
    found = []
    for case in CASES:
        for number in range(most):
            result = attempt(f"{case['name']}-{number}", case, config)
            if result:
                print(result["salt"], "clearance", round(result["kink_clearance"], 2), flush=True)
                found.append(result)
                break
        else:
            sys.exit(f"None of {most} salts keeps {case['name']} clear of the kink.")
    file = json.loads(path.read_text())
    path.write_text(json.dumps({**file, "stage2": found}, indent=1) + "\n")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES / "training.json"
    main(target, int(sys.argv[2]) if len(sys.argv) > 2 else 20000)
