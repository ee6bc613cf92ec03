"""The base that the repository carries: a small Flux pipeline of standard parts, built from nothing and then trained.

`scripts/pretrain_appearance.py` trains it on simulated people; `training.bases.EMBEDDED` is the folder with its
weights. Its parts are those of a real base (VAE, CLIP, T5, flow-matching transformer), only smaller: one code path.
"""

from __future__ import annotations

import json
import string

import torch
from diffusers import AutoencoderDC, FlowMatchEulerDiscreteScheduler, FluxControlPipeline, FluxTransformer2DModel
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

from training.bases.patch_vae import LATENT_CHANNELS

WIDTH, HEADS = 160, 5
TEXT_WIDTH, POOLED = 96, 64
TEXT_TOKENS = 28


def build_pipeline(vae: AutoencoderDC, captions: list[str], seed: int) -> FluxControlPipeline:
    """A pipeline of untrained parts around a VAE; its word pieces are learned from the captions."""
    torch.manual_seed(seed)
    clip_tokens, t5_tokens = _clip_tokenizer(captions), _t5_tokenizer(captions)
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip_tokens),
            hidden_size=POOLED,
            intermediate_size=2 * POOLED,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=77,
            bos_token_id=clip_tokens.bos_token_id,
            eos_token_id=clip_tokens.eos_token_id,
            pad_token_id=clip_tokens.pad_token_id,
        )
    )
    t5 = T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokens),
            d_model=TEXT_WIDTH,
            d_kv=24,
            d_ff=2 * TEXT_WIDTH,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
        )
    )
    head = WIDTH // HEADS
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=2 * 4 * LATENT_CHANNELS,  # the noisy picture and the control image
        out_channels=4 * LATENT_CHANNELS,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=head,
        num_attention_heads=HEADS,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=POOLED,
        guidance_embeds=False,
        axes_dims_rope=(head // 4, 3 * head // 8, 3 * head // 8),
    )
    return FluxControlPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0, use_dynamic_shifting=False),
        vae=vae,
        text_encoder=clip,
        tokenizer=clip_tokens,
        text_encoder_2=t5,
        tokenizer_2=t5_tokens,
        transformer=transformer,
    )


def _clip_tokenizer(captions: list[str]) -> CLIPTokenizer:
    """Byte-level pairs merged as the captions' words need them, so that a caption stays within 77 tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    ends = ["<|startoftext|>", "<|endoftext|>"]
    bare = CLIPTokenizer(
        vocab={w: i for i, w in enumerate([*letters, *(f"{c}</w>" for c in letters), *ends])}, merges=[]
    )
    raw = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    raw.normalizer = bare.backend_tokenizer.normalizer
    raw.pre_tokenizer = bare.backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=1200, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False
    )
    raw.train_from_iterator(captions, trainer)
    learned = json.loads(raw.to_str())["model"]
    words = dict.fromkeys([*letters, *(f"{c}</w>" for c in letters), *learned["vocab"], *ends])
    merges = [tuple(pair) for pair in learned["merges"]]
    return CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=merges, model_max_length=77)


def _t5_tokenizer(captions: list[str]) -> T5TokenizerFast:
    """Whole words of the captions' grammar, and single letters for every other word."""
    words = sorted({f"▁{word}" for text in captions for word in text.split()})
    letters = sorted({*string.ascii_letters, *string.digits, *string.punctuation, "▁"})
    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    scored += [(word, -3.0) for word in words]
    scored += [(letter, -12.0) for letter in letters if letter not in words]
    return T5TokenizerFast(vocab=scored, extra_ids=0, model_max_length=TEXT_TOKENS)
