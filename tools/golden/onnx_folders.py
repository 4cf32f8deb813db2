"""Model folders with ONNX files as transformers.js's models have them, and what the originals give: onnx/.

    pip install torch==2.13.0 transformers==5.24.0 onnx==1.23.2 tokenizers==0.23.3 numpy==2.4.6 pillow==13.0.0
    python onnx_folders.py DIR

Tiny models with weights made from their names, exported by torch. `cases.json` holds the features that the torch models
give of pictures (through the family's image processor) and of texts (through the tokenizer).
"""

import json
import sys
import warnings
from pathlib import Path

sys.modules["torchvision"] = None  # the processors' Pillow versions, whatever is installed
warnings.filterwarnings("ignore")

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from transformers import (
    BertConfig,
    BertModel,
    BitImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipTextModel,
    SiglipVisionModel,
)

from named_values import fill_by_name, rounded, unit
from tiny_tokenizers import clip_bpe, unigram, word_piece

TEXTS = ["The image shows a three.", "a small right pleural effusion, no pneumothorax", "two brown dogs"]
PICTURES = [("square", 32, 32), ("wide", 50, 37)]
DIR = Path(sys.argv[1])
SIZES = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
EAGER = dict(attn_implementation="eager")


class Outputs(torch.nn.Module):
    """A model that takes inputs in order and gives the named outputs in order."""

    def __init__(self, model, inputs, outputs):
        super().__init__()
        self.model, self.inputs, self.outputs = model, inputs, outputs

    def forward(self, *values):
        result = self.model(**dict(zip(self.inputs, values)))
        return tuple(result[name] for name in self.outputs)


def export(model, path, inputs, outputs, fixed_batch=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    is_text = "input_ids" in inputs
    axes = {0: "batch", 1: "tokens"} if is_text else {0: "batch"}
    ids = torch.tensor([[5, 6, 7, 8], [6, 7, 8, 9]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])  # all ones would be optimised away
    example = tuple(
        (ids if name == "input_ids" else mask if name == "attention_mask" else torch.zeros_like(ids))
        if is_text
        else torch.zeros(1 if fixed_batch else 2, 3, 32, 32)
        for name in inputs
    )
    torch.onnx.export(
        Outputs(model, inputs, outputs).eval(),  # exporting restores the mode of the whole
        example,
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=inputs,
        output_names=outputs,
        dynamic_axes={} if fixed_batch else {name: axes for name in inputs},
    )


def picture(name, width, height):
    """[height, width, 3] from its name, as `bytes` of tools/testing/unit.ts makes its planes."""
    planes = np.floor((unit(name, 3 * height * width) + 1) * 128).reshape(3, height, width)
    return Image.fromarray(planes.transpose(1, 2, 0).astype(np.uint8))


def save(folder, config, *parts, **json_files):
    folder.mkdir(parents=True, exist_ok=True)
    for part in (config, *parts):
        part.save_pretrained(folder)
    for name, contents in json_files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(contents))


def images(processor, pooled, patches):
    result = []
    for name, width, height in PICTURES:
        pixels = processor(picture(name, width, height), return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            case = {"name": name, "width": width, "height": height, "image": rounded(pooled(pixels)[0].numpy())}
            if patches and width == height:  # the box 0, 0, 16, 24 covers two by three patches
                case["region"] = rounded(patches(pixels).reshape(4, 4, -1)[:3, :2].mean((0, 1)).numpy())
        result.append(case)
    return result


def texts(tokenizer, features, longest, padding=True):
    tokens = tokenizer(TEXTS, padding=padding, max_length=longest, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return [rounded(row) for row in features(tokens["input_ids"], tokens["attention_mask"]).numpy()]


def clip(folder):
    tokenizer = clip_bpe()
    start, end = (tokenizer.token_to_id(name) for name in ("<|startoftext|>", "<|endoftext|>"))
    text = dict(SIZES, intermediate_size=24, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=20)
    text |= dict(projection_dim=12, bos_token_id=start, eos_token_id=end, pad_token_id=end)
    vision = dict(SIZES, intermediate_size=24, image_size=32, patch_size=8, projection_dim=12)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=12, **EAGER)
    both = CLIPVisionModelWithProjection(config.vision_config).eval(), CLIPTextModelWithProjection(config.text_config).eval()
    for model in both:
        fill_by_name("onnx:clip", model)
    export(both[0], folder / "onnx/vision_model.onnx", ["pixel_values"], ["image_embeds", "last_hidden_state"])
    export(both[1], folder / "onnx/text_model.onnx", ["input_ids"], ["text_embeds"])
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    tokenizer.no_truncation()
    special = dict(pad_token="<|endoftext|>", eos_token="<|endoftext|>", bos_token="<|startoftext|>")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=20, **special)
    save(folder, config, processor, fast)
    return {
        "images": images(processor, lambda x: both[0](pixel_values=x).image_embeds, None),
        "texts": texts(fast, lambda ids, mask: both[1](input_ids=ids, attention_mask=mask).text_embeds, 20),
    }


def siglip(folder):
    tokenizer = unigram()
    text = dict(SIZES, intermediate_size=24, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=16)
    vision = dict(SIZES, intermediate_size=24, image_size=32, patch_size=8)
    config = SiglipConfig(text_config=dict(text, projection_size=16), vision_config=vision, **EAGER)
    vision_model, text_model = SiglipVisionModel(config.vision_config).eval(), SiglipTextModel(config.text_config).eval()
    for model in (vision_model, text_model):
        fill_by_name("onnx:siglip", model)
    export(vision_model, folder / "onnx/vision_model.onnx", ["pixel_values"], ["last_hidden_state", "pooler_output"])
    export(text_model, folder / "onnx/text_model.onnx", ["input_ids"], ["last_hidden_state", "pooler_output"])
    processor = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    tokenizer.no_truncation()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="</s>", model_max_length=16)
    save(folder, config, processor, fast)
    return {
        "images": images(
            processor,
            lambda x: vision_model(pixel_values=x).pooler_output,
            lambda x: vision_model(pixel_values=x).last_hidden_state,
        ),
        "texts": texts(fast, lambda ids, mask: text_model(input_ids=ids).pooler_output, 16, padding="max_length"),
    }


def dinov2(folder):
    config = Dinov2Config(**SIZES, mlp_ratio=2, image_size=32, patch_size=8, **EAGER)
    model = Dinov2Model(config).eval()
    fill_by_name("onnx:dinov2", model)
    export(model, folder / "onnx/model.onnx", ["pixel_values"], ["last_hidden_state"])
    processor = BitImageProcessorPil(
        size={"shortest_edge": 36},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    save(folder, config, processor)
    hidden = lambda x: model(pixel_values=x).last_hidden_state
    # The square picture is scaled to 36 and cut for the whole's sake; its regions come from all of it.
    squeezed = BitImageProcessorPil(**{**processor.to_dict(), "do_resize": False})
    whole = images(processor, lambda x: hidden(x)[:, 0], None)
    regions = images(squeezed, lambda x: hidden(x)[:, 0], lambda x: hidden(x)[:, 1:])
    return {"images": [{**regions[0], **whole[0]}, whole[1]]}


def bert(folder):
    tokenizer = word_piece()
    config = BertConfig(
        **SIZES, vocab_size=tokenizer.get_vocab_size(), intermediate_size=24, max_position_embeddings=32, **EAGER
    )
    model = BertModel(config).eval()
    fill_by_name("onnx:bert", model)
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    export(model, folder / "onnx/model_quantized.onnx", inputs, ["last_hidden_state", "pooler_output"])
    tokenizer.no_truncation()
    special = dict(pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=24, **special)
    kinds = ["Transformer", "Pooling", "Normalize"]
    modules = [{"type": f"sentence_transformers.models.{kind}"} for kind in kinds]
    save(folder, config, fast, modules_json=modules, **{"1_Pooling__config_json": {"pooling_mode_mean_tokens": True}})

    def features(ids, mask):
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        share = mask[:, :, None] / mask.sum(1)[:, None, None]
        return F.normalize((hidden * share).sum(1), dim=1)

    return {"texts": texts(fast, features, 24)}


class Map(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 8, stride=8)
        self.deep = torch.nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, pixel_values):
        return {"feature_map": self.deep(torch.relu(self.stem(pixel_values)))}


def feature_map(folder):
    """A convolutional network that gives a map alone, for one image at a time."""
    model = Map().eval()
    fill_by_name("onnx:map", model)
    export(model, folder / "onnx/model.onnx", ["pixel_values"], ["feature_map"], fixed_batch=True)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    run = lambda x: model(x)["feature_map"]
    return {"images": images(processor, lambda x: run(x).mean((2, 3)), lambda x: run(x).permute(0, 2, 3, 1))}


torch.set_num_threads(1)
cases = {make.__name__: make(DIR / make.__name__) for make in (clip, siglip, dinov2, bert, feature_map)}
versions = {module.__name__: module.__version__ for module in (torch, transformers)}
(DIR / "cases.json").write_text(json.dumps({"versions": versions, "texts": TEXTS, "cases": cases}, separators=(",", ":")))
