"""Golden values of a whole folder as BiomedCLIP has it, from a picture's file and plain texts: encode_open_clip.json.

    pip install torch==2.14.1 torchvision==0.29.1 open_clip_torch==3.3.0 timm==1.0.31 transformers==5.24.0 tokenizers==0.23.3
    pip install numpy==2.4.6 pillow==13.0.0
    python encode_open_clip.py OUT.json

timm's vision transformer with a class token and a linear projection, a BERT with a two-layer projection, both tiny, with
weights made from their names. The picture goes through OpenCLIP's own transform, the texts through its tokenizer.
"""

import json
import sys
import tempfile
from pathlib import Path

import open_clip
import timm
import torch
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer
from transformers import BertConfig, PreTrainedTokenizerFast

from named_values import fill_by_name, picture, rounded
from tiny_tokenizers import word_piece


TEXTS = ["The image shows a three.", "a small right pleural effusion, no pneumothorax", "two brown dogs"]
WIDTH, HEIGHT = 50, 37


@register_model
def vit_tiny_for_tests(pretrained=False, **settings):
    settings = {"num_classes": settings.get("num_classes", 0), "img_size": 32}
    model = VisionTransformer(patch_size=8, embed_dim=64, depth=2, num_heads=1, mlp_ratio=2, **settings)
    model.default_cfg = model.pretrained_cfg = {"input_size": (3, 32, 32)}
    return model


def main():
    tokenizer, longest, salt = word_piece(), 24, "encode:biomedclip"
    special = dict(pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", mask_token="[MASK]")
    preprocess = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
    preprocess |= {"interpolation": "bicubic", "resize_mode": "shortest"}
    bert = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=24, max_position_embeddings=32)
    with tempfile.TemporaryDirectory() as name:
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(name)
        files = {path.name: json.loads(path.read_text()) for path in sorted(Path(name).glob("*.json"))}
        BertConfig(vocab_size=tokenizer.get_vocab_size(), pad_token_id=0, **bert).save_pretrained(name)
        vision = {"timm_model_name": "vit_tiny_for_tests", "timm_model_pretrained": False, "timm_pool": "", "timm_proj": "linear", "image_size": 32}
        text = {"hf_model_name": name, "hf_tokenizer_name": name, "hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": longest}
        model = open_clip.model.CustomTextCLIP(12, vision, {**text, "hf_model_pretrained": False}).eval()
        shapes = fill_by_name(salt, model)
        transform = image_transform_v2(PreprocessCfg(size=32, **preprocess), is_train=False)
        pixels = transform(picture(f"{salt}:picture", WIDTH, HEIGHT))[None]
        ids = HFTokenizer(name, context_length=longest)(TEXTS)
        with torch.no_grad():
            image, texts = model.encode_image(pixels), model.encode_text(ids)
    text |= {"hf_model_name": "tiny/bert", "hf_tokenizer_name": "tiny/bert"}
    model_cfg = {"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}
    files["open_clip_config.json"] = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
    case = {
        "kind": "biomedclip",
        "salt": salt,
        "files": files,
        "shapes": shapes,
        "picture": {"name": f"{salt}:picture", "width": WIDTH, "height": HEIGHT},
        "texts": TEXTS,
        "image": rounded(image[0].numpy()),
        "text_features": [rounded(row) for row in texts.numpy()],
    }
    versions = {module.__name__: module.__version__ for module in (torch, open_clip, timm)}
    target = {"versions": versions, "cases": [case]}
    Path(sys.argv[1]).write_text(json.dumps(target, ensure_ascii=False, separators=(",", ":")))


torch.set_num_threads(1)
main()
