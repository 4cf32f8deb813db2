"""Writes tools/testing/fixtures/towers.json, towers_open_clip.json and towers_timm.json: what the Python originals compute.

transformers 5.24.0 with torch 2.13.0 and numpy 2.4.6; open_clip_torch 3.3.0 with torch 2.14.1 and torchvision 0.29.1; timm 1.0.31
with torch 2.13.0 and torchvision 0.28.0.

    towers.py transformers FILE.json [SEED]
    towers.py open_clip FILE.json [SEED]
    towers.py timm FILE.json [SEED]

Tiny configurations, weights made from their names (see `unit` of named_values.py and `weight` below, which the tests have too), everything in
float64. For each tower: whole-image features, the dense map of either kind, both at another image size, and a training of
three steps: InfoNCE over whole images and regions, torch's Adam.
"""

import json
import math
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from named_values import unit

PROGRAM, TARGET = sys.argv[1], sys.argv[2]
SEED = sys.argv[3] if len(sys.argv) > 3 else "towers"
TEMPERATURE, LEARNING_RATE, EPSILON = 0.07, 1e-3, 1e-3
torch.set_default_dtype(torch.float64)


def weight(salt, name, shape):
    values = unit(f"{salt}:{name}", math.prod(shape)).reshape(shape)
    if name.endswith("bias"):
        values = 0.05 * values
    elif len(shape) == 1 and name.endswith(("weight", "lambda1")):
        values = 1 + 0.1 * values
    elif any(part in name for part in ("position", "class_", "cls_", "register", "probe")):
        values = 0.5 * values
    else:
        values = values * math.sqrt(3 / math.prod(shape[1:]))
    return torch.tensor(values.astype(np.float32).astype(np.float64))


def tensor(name, shape):
    return torch.tensor(unit(name, math.prod(shape)).reshape(shape).astype(np.float32).astype(np.float64))


def summary(values):
    flat = values.detach().double().flatten()
    return {
        "mean": rounded(flat.mean()),
        "l2": rounded(flat.norm()),
        "first8": rounded(flat[:8]),
        "last4": rounded(flat[-4:]),
    }


def rounded(values):
    """Eight digits: more than the tests compare."""
    return json.loads(json.dumps(values.tolist()), parse_float=lambda text: float(f"{float(text):.8g}"))


def saved_names(model):
    """Parameters by the names that checkpoints have: transformers renames some of them when it loads and saves."""
    if not hasattr(model, "save_pretrained"):
        return dict(model.named_parameters())
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.arange(parameter.numel(), dtype=torch.float64).reshape(parameter.shape) + 1e6 * number)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        saved = load_file(f"{folder}/model.safetensors")
    by_start = {parameter.flatten()[0].item(): parameter for parameter in model.parameters()}
    return {name: by_start[values.flatten()[0].item()] for name, values in saved.items()}


def fill(model, salt):
    """Sets every parameter from its name. @returns parameters by name"""
    named = saved_names(model)
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(weight(salt, name, tuple(parameter.shape)))
    return named


def transformers_cases():
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
        Dinov2Config,
        Dinov2Model,
        Dinov2WithRegistersConfig,
        Dinov2WithRegistersModel,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8)
    eager = dict(attn_implementation="eager")

    def clip(act):
        config = CLIPVisionConfig(**sizes, intermediate_size=24, projection_dim=12, hidden_act=act, **eager)
        model = CLIPVisionModelWithProjection(config).eval()
        vision = model.vision_model

        def value_path(pixels, other):
            hidden = vision.pre_layrnorm(vision.embeddings(pixels, interpolate_pos_encoding=other))
            *layers, last = vision.encoder.layers
            for layer in layers:
                hidden = first(layer(hidden, attention_mask=None))
            attention = last.self_attn
            hidden = hidden + attention.out_proj(attention.v_proj(last.layer_norm1(hidden)))
            hidden = hidden + last.mlp(last.layer_norm2(hidden))
            return model.visual_projection(vision.post_layernorm(hidden[:, 1:]))

        def last_hidden(pixels, other):
            hidden = vision(pixel_values=pixels, interpolate_pos_encoding=other).last_hidden_state
            return model.visual_projection(vision.post_layernorm(hidden[:, 1:]))

        pooled = lambda pixels, other: model(pixel_values=pixels, interpolate_pos_encoding=other).image_embeds
        return model, config.to_dict(), pooled, {"value": value_path, "last-hidden": last_hidden}

    def siglip():
        config = SiglipVisionConfig(**sizes, intermediate_size=24, **eager)
        model = SiglipVisionModel(config).eval()
        vision = getattr(model, "vision_model", model)
        run = lambda pixels, other: model(pixel_values=pixels, interpolate_pos_encoding=other)

        def value_path(pixels, other):
            hidden = run(pixels, other).last_hidden_state
            batch, tokens, width = hidden.shape
            return vision.head(hidden.reshape(batch * tokens, 1, width)).reshape(batch, tokens, width)

        dense = {"value": value_path, "last-hidden": lambda pixels, other: run(pixels, other).last_hidden_state}
        return model, config.to_dict(), lambda pixels, other: run(pixels, other).pooler_output, dense

    def dino(registers):
        if registers:
            config = Dinov2WithRegistersConfig(**sizes, mlp_ratio=2, num_register_tokens=registers, **eager)
            model = Dinov2WithRegistersModel(config).eval()
        else:
            config = Dinov2Config(**sizes, mlp_ratio=2, **eager)
            model = Dinov2Model(config).eval()
        run = lambda pixels: model(pixel_values=pixels).last_hidden_state
        dense = {"last-hidden": lambda pixels, other: run(pixels)[:, 1 + registers :]}
        return model, config.to_dict(), lambda pixels, other: run(pixels)[:, 0], dense

    yield "clip, QuickGELU", clip("quick_gelu")
    yield "clip, GELU", clip("gelu")
    yield "siglip", siglip()
    yield "dinov2", dino(0)
    yield "dinov2 with registers", dino(3)


def open_clip_cases():
    from open_clip.model import CLIP

    vision = dict(layers=2, width=16, head_width=8, patch_size=8, image_size=32, mlp_ratio=2)
    text = dict(context_length=8, vocab_size=16, width=8, heads=2, layers=1)
    for quick in (True, False):
        whole = CLIP(12, dict(vision), dict(text), quick_gelu=quick).double().eval()
        model = torch.nn.Module()
        model.visual = whole.visual

        def at_size(pixels, visual=whole.visual):
            """OpenCLIP scales its position table when weights are loaded; here for the time of one pass."""
            grid = [pixels.shape[2] // 8, pixels.shape[3] // 8]
            table = visual.positional_embedding
            if grid != [4, 4]:
                image = table[1:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
                image = F.interpolate(image, size=grid, mode="bicubic", antialias=True, align_corners=False)
                table = torch.cat([table[:1], image.permute(0, 2, 3, 1).reshape(grid[0] * grid[1], -1)])
            x = visual.conv1(pixels).flatten(2).permute(0, 2, 1)
            token = visual.class_embedding.expand(x.shape[0], 1, -1)
            return visual.ln_pre(torch.cat([token, x], 1) + table)

        def pooled(pixels, other, visual=whole.visual, at_size=at_size):
            if not other:
                return visual(pixels)
            return visual.ln_post(visual.transformer(at_size(pixels))[:, 0]) @ visual.proj

        def last_hidden(pixels, other, visual=whole.visual, at_size=at_size):
            return visual.ln_post(visual.transformer(at_size(pixels))[:, 1:]) @ visual.proj

        def value_path(pixels, other, visual=whole.visual, at_size=at_size):
            hidden = at_size(pixels)
            *blocks, last = visual.transformer.resblocks
            for block in blocks:
                hidden = block(hidden)
            attention, width = last.attn, hidden.shape[-1]
            value = F.linear(last.ln_1(hidden), attention.in_proj_weight[-width:], attention.in_proj_bias[-width:])
            hidden = hidden + attention.out_proj(value)
            hidden = hidden + last.mlp(last.ln_2(hidden))
            return visual.ln_post(hidden[:, 1:]) @ visual.proj

        config = {"model_cfg": {"quick_gelu": quick, "vision_cfg": vision}}
        dense = {"value": value_path, "last-hidden": last_hidden}
        yield f"open-clip, {'QuickGELU' if quick else 'GELU'}", (model, config, pooled, dense)


def timm_cases():
    """OpenCLIP's `TimmModel` as BiomedCLIP has it: timm's transformer, whose class token goes through a linear layer."""
    from timm.models.vision_transformer import VisionTransformer

    sizes = dict(img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=1, mlp_ratio=2, num_classes=0)
    model = torch.nn.Module()
    model.visual = torch.nn.Module()
    model.visual.trunk = trunk = VisionTransformer(**sizes, dynamic_img_size=True).eval()
    model.visual.head = torch.nn.Sequential()
    model.visual.head.add_module("proj", torch.nn.Linear(16, 12, bias=False))
    head = model.visual.head

    def value_path(pixels, other):
        hidden = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(pixels)))
        *blocks, last = trunk.blocks
        for block in blocks:
            hidden = block(hidden)
        value = last.attn.qkv(last.norm1(hidden))[..., -16:]
        hidden = hidden + last.attn.proj(value)
        hidden = hidden + last.mlp(last.norm2(hidden))
        return head(trunk.norm(hidden[:, 1:]))

    last_hidden = lambda pixels, other: head(trunk.forward_features(pixels)[:, 1:])
    config = {"model_cfg": {"vision_cfg": {"timm_model_name": "tiny", "timm_pool": "", "timm_proj": "linear", "image_size": 32}}}
    dense = {"value": value_path, "last-hidden": last_hidden}
    yield "open-clip, timm", (model, config, lambda pixels, other: head(trunk(pixels)), dense)


def first(output):
    return output[0] if isinstance(output, tuple) else output


def train(named, salt, pooled, dense):
    """Whole images and two regions of whole patches: rows of the loss. Means of patches are what RoIAlign gives there."""
    optimizer = torch.optim.Adam(named.values(), lr=LEARNING_RATE, eps=EPSILON)
    steps = []
    for step in range(3):
        pixels = tensor(f"{salt}:train:{step}", (2, 3, 32, 32))
        image = pooled(pixels, False)
        patches = dense(pixels, False).reshape(2, 4, 4, -1)
        regions = torch.stack([patches[0, :2, :3].mean((0, 1)), patches[1, 2:, 1:].mean((0, 1))])
        rows = F.normalize(torch.cat([image, regions]), dim=1)
        text = F.normalize(tensor(f"{salt}:text:{step}", tuple(rows.shape)), dim=1)
        logits = rows @ text.T / TEMPERATURE
        target = torch.arange(len(rows))
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        optimizer.zero_grad()
        loss.backward()
        grads = {name: summary(parameter.grad) for name, parameter in named.items() if parameter.grad is not None}
        steps.append({"loss": loss.item(), "grads": grads if step == 0 else {}})
        optimizer.step()
    return {
        "learning_rate": LEARNING_RATE,
        "epsilon": EPSILON,
        "temperature": TEMPERATURE,
        "steps": steps,
        "after": {name: summary(parameter) for name, parameter in named.items()},
    }


def main():
    cases = {"transformers": transformers_cases, "open_clip": open_clip_cases, "timm": timm_cases}[PROGRAM]()
    written = []
    for name, (model, config, pooled, dense) in cases:
        model = model.double()
        salt = f"{SEED}:{name}"
        named = fill(model, salt)
        shapes = {name: list(parameter.shape) for name, parameter in named.items()}
        result = {"name": name, "salt": salt, "config": config, "shapes": shapes, "images": []}
        for height, width in [(32, 32), (40, 56)]:
            other = (height, width) != (32, 32)
            pixels = tensor(f"{salt}:{height}x{width}", (2, 3, height, width))
            with torch.no_grad():
                result["images"].append(
                    {
                        "size": [height, width],
                        "pooled": rounded(pooled(pixels, other).flatten()),
                        "dense": {kind: summary(map_of(pixels, other)) for kind, map_of in dense.items()},
                    }
                )
        result["training"] = train(named, salt, pooled, next(iter(dense.values())))
        written.append(result)
    with open(TARGET, "w") as file:
        json.dump({"program": PROGRAM, "cases": written}, file, default=str, separators=(",", ":"))


main()
