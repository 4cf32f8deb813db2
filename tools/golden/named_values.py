"""What golden scripts share: values made from names (as tools/testing/unit.ts makes them) and summaries of tensors."""

import math
import re

import numpy as np


def unit(name, n):
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = (np.arange(n, dtype=np.uint64) * 0x9E3779B1 + seed) & 0xFFFFFFFF
    x ^= x >> 16
    x = (x * 0x85EBCA6B) & 0xFFFFFFFF
    x ^= x >> 13
    x = (x * 0xC2B2AE35) & 0xFFFFFFFF
    x ^= x >> 16
    return x.astype(np.float64) / 2**32 * 2 - 1


def values(name, shape, scale=1.0):
    return (unit(name, math.prod(shape)).reshape(shape) * scale).astype(np.float32)


def picture(name, width, height):
    """Noise from a name as a Pillow picture; its planes are `bytes` of tools/testing/unit.ts."""
    from PIL import Image

    planes = np.clip(np.floor((unit(name, 3 * height * width) + 1) * 128), 0, 255).reshape(3, height, width)
    return Image.fromarray(planes.transpose(1, 2, 0).astype(np.uint8))


NORM = re.compile(r"(LayerNorm|layer_?norm\w*|ln_\w+|norm\w*)\.(weight|bias)$")


def transformer_weight(salt, name, shape):
    """A transformer's weight from its name; tools/testing/transformer-weights.ts has the same rules."""
    seed = f"{salt}:{name}"
    if NORM.search(name):
        return 1 + values(seed, shape, 0.1) if name.endswith("weight") else values(seed, shape, 0.1)
    if name.endswith("bias"):
        return values(seed, shape, 0.05)
    if "embedding" in name:
        return values(seed, shape, 0.3)
    inputs = shape[0] if name.endswith("text_projection") else math.prod(shape[1:])
    return values(seed, shape, math.sqrt(3 / inputs))


def fill_by_name(salt, model):
    """Replaces all floating-point weights of a model. Returns their shapes by name."""
    import torch

    state = model.state_dict()
    shapes = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point() or tensor.dim() == 0:
            continue
        shapes[name] = list(tensor.shape)
        state[name] = torch.from_numpy(transformer_weight(salt, name, tuple(tensor.shape)))
    model.load_state_dict(state)
    return shapes


def rounded(numbers):
    return [float(f"{number:.9g}") for number in np.asarray(numbers, dtype=np.float64).ravel()]


def summary(tensor):
    flat = np.asarray(tensor, dtype=np.float64).ravel()
    mean, l2 = rounded([flat.mean(), np.sqrt((flat**2).sum())])
    return {"mean": mean, "l2": l2, "first8": rounded(flat[:8]), "last4": rounded(flat[-4:])}


def train(parameters, features, targets, steps=3):
    """Adam on InfoNCE against fixed targets; what a test has to reproduce.

    eps is larger than usual: gradients that are zero but for rounding (key biases) would move a weight by a full step.
    """
    import torch

    parameters = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    optimizer = torch.optim.Adam(parameters.values(), lr=1e-3, eps=1e-4)
    goal = torch.nn.functional.normalize(torch.from_numpy(targets), dim=-1)
    labels = torch.arange(len(targets))
    losses, gradients = [], {}
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        logits = torch.nn.functional.normalize(features(), dim=-1) @ goal.T / 0.07
        cross = torch.nn.functional.cross_entropy
        loss = (cross(logits, labels) + cross(logits.T, labels)) / 2
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            gradients = {n: summary(p.grad.numpy()) for n, p in parameters.items() if p.grad is not None}
        optimizer.step()
    weights = {name: summary(parameters[name].detach().numpy()) for name in gradients}
    return {"losses": rounded(losses), "gradients": gradients, "weights": weights}
