"""Writes tools/testing/fixtures/resnets.json: CLIP's larger ResNets (RN101, RN50x4, RN50x16, RN50x64) as OpenCLIP has them.

    pip install open_clip_torch==3.3.0 torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
    python resnets.py FILE.json [SEED]

Blocks are the models' own, channels and positions a few. Weights are made from their names (`weight` of
weight_containers.py, which the tests have too), everything is in float64. Of each tower: a whole image, the map of an
image of another size, regions, and three training steps on regions in BatchNorm's training mode (InfoNCE, torch's Adam).

ReLU has a kink at zero, where float32's rounding decides whether a gradient passes (see training.py). So a salt is looked
for with which a training in float32 comes to the same gradients and weights as one in float64, to `CLEAR`, also
when all weights are moved by about a rounding. That there are few places near the kink, every BatchNorm in front of a
ReLU of its own shifts by `SHIFT` more than the named weights have it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.modified_resnet import ModifiedResNet
from torchvision.ops import roi_align

from named_values import unit
from weight_containers import weight

SEED = sys.argv[2] if len(sys.argv) > 2 else "resnets"
CLEAR, MOST_SALTS, SHIFT = 3e-5, 200, 2
TEMPERATURE, LEARNING_RATE, EPSILON = 0.07, 1e-3, 1e-3
HEIGHT, WIDTH = 48, 64
BOXES = [[0, 0, 40, 30], [20.5, 10, 64, 48], [0, 0, 63, 47]]
MODELS = {
    "RN101": dict(vision_layers=[3, 4, 23, 3], vision_width=4, embed_dim=8, image_resolution=64),
    "RN50x4": dict(vision_layers=[4, 6, 10, 6], vision_width=6, embed_dim=10, image_resolution=96),
    "RN50x16": dict(vision_layers=[6, 8, 18, 8], vision_width=4, embed_dim=12, image_resolution=64),
    "RN50x64": dict(vision_layers=[3, 15, 36, 10], vision_width=4, embed_dim=16, image_resolution=64),
}
WATCHED = ["conv1.weight", "bn1.weight", "layer1.0.downsample.0.weight", "layer2.1.conv2.weight", "layer3.0.bn3.bias"]
WATCHED += ["layer4.1.conv3.weight", "attnpool.positional_embedding", "attnpool.q_proj.weight", "attnpool.c_proj.bias"]


def is_shifted(name):
    """Norms with a ReLU of their own: a block's third goes into a sum first."""
    return name.endswith("bias") and (".bn3" not in name or name.startswith("visual.bn")) and "attnpool" not in name


def tower(config, salt, dtype, noise=0):
    width, size = config["vision_width"], config["image_resolution"]
    model = ModifiedResNet(tuple(config["vision_layers"]), config["embed_dim"], width * 32 // 64, size, width)
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        values = weight(salt, f"visual.{name}", tuple(tensor.shape)) + SHIFT * is_shifted(f"visual.{name}")
        moved = 1 + noise * unit(f"{salt}:{name}:noise", tensor.numel()).reshape(tensor.shape)
        state[name] = torch.tensor(np.float32(values) * moved)
    model.to(dtype).load_state_dict(state)
    return model.eval()


def pixels(name, count, height, width):
    values = np.clip(np.floor((unit(name, count * 3 * height * width) + 1) * 128), 0, 255)
    return torch.tensor(np.float32(values / 255).astype(np.float64).reshape(count, 3, height, width))


def features(model, x):
    return model.layer3(model.layer2(model.layer1(model.stem(x))))


def regions(model, x, boxes, grid):
    """boxes: a list for each image."""
    maps = features(model, x)
    rois = [torch.tensor(own, dtype=x.dtype) for own in boxes]
    aligned = roi_align(maps, rois, (2 * grid, 2 * grid), maps.shape[-1] / x.shape[-1], 0, True)
    return model.attnpool(model.layer4(aligned))


def train(config, salt, dtype, noise=0):
    """@returns losses, the first step's gradients, weights and running statistics afterwards"""
    model, grid = tower(config, salt, dtype, noise).train(), config["image_resolution"] // 32
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=EPSILON)
    losses, gradients = [], {}
    for step in range(3):
        x = pixels(f"{salt}:train:{step}", 2, HEIGHT, WIDTH).to(dtype)
        rows = F.normalize(regions(model, x, [BOXES[:1], BOXES[1:]], grid), dim=1)
        text = np.float32(unit(f"{salt}:text:{step}", rows.numel())).astype(np.float64)
        logits = rows @ F.normalize(torch.tensor(text, dtype=dtype).reshape(rows.shape), dim=1).T / TEMPERATURE
        target = torch.arange(len(rows))
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            named = dict(model.named_parameters())
            gradients = {f"visual.{name}": named[name].grad.clone() for name in WATCHED}
        optimizer.step()
    state = model.state_dict()
    after = {f"visual.{name}": state[name].clone() for name in [*WATCHED, "bn1.running_mean", "layer4.0.bn2.running_var"]}
    return losses, gradients, after


def is_clear(exact, single):
    pairs = [(part[name], other[name]) for part, other in zip(exact[1:], single[1:]) for name in part]
    return all((a - b).norm() <= CLEAR * a.norm() for a, b in pairs)


def summary(tensor):
    flat = tensor.detach().double().flatten()
    digits = lambda value: float(f"{value:.9g}")
    return {
        "mean": digits(flat.mean()),
        "l2": digits(flat.norm()),
        "first8": [digits(value) for value in flat[:8].tolist()],
        "last4": [digits(value) for value in flat[-4:].tolist()],
    }


def clear_training(name, config):
    """@returns the salt, and what `train` gives with it"""
    for number in range(MOST_SALTS):
        salt = f"{SEED}:{name}:{number}"
        training = train(config, salt, torch.float64)
        if all(is_clear(training, train(config, salt, torch.float32, noise)) for noise in (0, 2**-23, -(2**-23))):
            return salt, training
    sys.exit(f"None of {MOST_SALTS} salts keeps {name} clear of the kink.")


def described(training):
    losses, gradients, after = training
    return {
        "learning_rate": LEARNING_RATE,
        "epsilon": EPSILON,
        "temperature": TEMPERATURE,
        "losses": losses,
        "grads": {key: summary(values) for key, values in gradients.items()},
        "after": {key: summary(values) for key, values in after.items()},
    }


def case(name, config):
    salt, training = clear_training(name, config)
    model, size = tower(config, salt, torch.float64), config["image_resolution"]
    with torch.no_grad():
        x = pixels(f"{salt}:regions", 1, HEIGHT, WIDTH)
        return {
            "kind": name,
            "salt": salt,
            "config": config,
            "whole": summary(model(pixels(f"{salt}:whole", 1, size, size))),
            "size": [HEIGHT, WIDTH],
            "map": summary(features(model, x)),
            "boxes": BOXES,
            "regions": summary(regions(model, x, [BOXES], size // 32)),
            "training": described(training),
        }


torch.set_num_threads(1)
cases = [case(name, config) for name, config in MODELS.items()]
Path(sys.argv[1]).write_text(json.dumps({"cases": cases}, separators=(",", ":")))
