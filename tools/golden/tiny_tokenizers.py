"""Tiny tokenizers of the kinds that text towers use, trained on a few sentences (tokenizers 0.23.3).

Training breaks ties at random: another run gives another vocabulary.
"""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = """the image shows a red circle and a small blue square beside it
the number is a three drawn in green with a large yellow rectangle around it
chest radiograph with a small right pleural effusion and no pneumothorax
the heart size is normal and the lungs are clear without focal consolidation
a photograph of two brown dogs running on the beach at sunset near the water
an old stone bridge over a quiet river with trees on both sides in autumn
there is mild cardiomegaly with bibasilar atelectasis unchanged from the prior study
a woman wearing a striped shirt is reading a newspaper in a crowded train station
it isn't clear whether they've seen what we'd call the left upper lobe opacity
naïve café façade über Straße 東京 Москва 12 345 6.7 % 8-bit
""".splitlines()

TEXTS = [
    "The image shows a three.",
    "a small right pleural effusion, no pneumothorax",
    "Two brown dogs  running\ton the\nbeach!",
    "It isn't clear; they've 12 of 345 (6.7 %).",
    "naïve café FAÇADE über Straße 東京 Москва",
    "unknownwordthatisquitelong zzzzqqqq",
    "e\u0301 and \u00e9 \u2014 \u201cquotes\u201d \u2026 \U0001f600",
    "",
    "   ",
    "the heart size is normal and the lungs are clear without focal consolidation and the image shows a red circle",
]


def word_piece(size=260):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=size, special_tokens=special))
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def clip_bpe(size=620):
    """As transformers' CLIPTokenizer builds it."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    # The special tokens have the largest ids, as in CLIP.
    trained = json.loads(tokenizer.to_str())["model"]
    vocab = {**trained["vocab"], "<|startoftext|>": len(trained["vocab"]), "<|endoftext|>": len(trained["vocab"]) + 1}
    merges = [tuple(pair) for pair in trained["merges"]]
    tokenizer.model = models.BPE(
        vocab, merges, unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>"
    )
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    start, end = (tokenizer.token_to_id(name) for name in ("<|startoftext|>", "<|endoftext|>"))
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", end), ("<|startoftext|>", start), add_prefix_space=False, trim_offsets=False
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def unigram(size=220):
    """A SentencePiece unigram model as SigLIP's: lower case, no punctuation."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS, trainer)
    end = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


def gemma_bpe(size=420):
    """BPE with bytes for unknown characters, as Gemma's tokenizer that SigLIP 2 uses."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special)
    tokenizer.train_from_iterator([line.replace("naïve café façade über Straße 東京 Москва", "") for line in CORPUS], trainer)
    end = tokenizer.token_to_id("<eos>")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", end)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer
