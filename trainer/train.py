"""EDITABLE: the model, the optimizer, the schedule and the loop. One file, one number: val_bpb.

    python trainer/train.py

trains a small GPT for a fixed wall-clock budget on the GPU if there is one, else on the CPU, and
ends with `---` and one `name: value` per line. Data, budget and metric live in `prepare.py`.
"""

import contextlib
import importlib
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields

os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
# A step is a thousand short operations: 80 ms with threads that sleep between two, 45 if awake.
os.environ.setdefault("GOMP_SPINCOUNT", "100000")

import numpy as np
import prepare
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# --- constants: an experiment changes these, or the code below ---------------------------------
# `# tune:` tells a search which values make sense. The values are for two CPU cores.

SEED = 42  # tune: skip

# Model: layers (2 win 0.002 at 60 s, lose 0.006 at 120 s); channels of the residual stream
# and of an attention head, hidden channels of the MLP per residual channel.
DEPTH = 3  # tune: 1..6
WIDTH = 128  # tune: [64, 128, 192, 256]
HEAD_DIM = 64  # tune: [32, 64]
MLP_RATIO = 4  # tune: 2..8
# Attention: per layer, repeated, L sees all and S the last SHORT_WINDOW tokens; the last layer is
# always L. Longest rotary wavelength / 2 pi, in tokens.
WINDOW_PATTERN = "L"
SHORT_WINDOW = 64  # tune: skip
ROPE_BASE = 10_000.0  # tune: 1e3..1e6 log
# Bound of the logits; first weight of the embedding that every layer sees again.
SOFTCAP = 15.0  # tune: 8..30
X0_INIT = 0.1  # tune: 0..0.5
# Smear: as many tokens before have a share, channel by channel, in each embedding: one is worth
# 0.006 at 600 steps, three 0.003 more.
SMEAR = 3  # tune: 0..4
# Heads of each layer whose keys come from the token before: what followed this word last time?
# One is worth 0.026 at 600 steps, both 0.021.
SHIFTED_HEADS = 1  # tune: 0..2
# Embeddings of pairs of tokens, hashed to so many rows (0: none), and the share of them that is
# left out while training: worth 0.011 at 1,200 steps, 0.003 of it because some are left out.
PAIR_ROWS = 2**16  # tune: [16384, 65536]
PAIR_DROP = 0.3  # tune: 0..0.7
# Counted n-grams, mixed into the prediction: longest n (0: none), worth 0.070 at 600 steps; part of
# Kneser-Ney's discounts of what was seen once, twice, more often: with a network for the unseen,
# less than 1 is worth 0.007; how often the row itself must have gone on after the last 1, 2, 3
# tokens to count as much as they do, worth 0.016; weight of the network's own loss beside the
# mixture's; rate of what decides between them.
ORDER = 5  # tune: [0, 3, 4, 5]
DISCOUNTS = (0.8, 0.6, 0.4)  # tune: 0.1..1
CACHE = (14, 5, 2)  # tune: 1..40 log
OWN_LOSS = 0.7  # tune: 0..2
MIX_LR = 0.02  # tune: 0.002..0.2 log

# Tokens of a step; rows of a forward pass at most: lower it when memory runs out.
BATCH_TOKENS = 2**11  # tune: [1024, 2048, 4096, 8192]
DEVICE_ROWS = 64  # tune: skip
# Learning rates: of embeddings, pairs and the output matrix for width 768, they scale with its
# inverse square root; of the matrices inside the layers (Muon); of x0 and, less, other scalars.
EMBEDDING_LR = 0.6  # tune: 0.05..2 log
PAIR_LR = 0.2  # tune: 0.02..1 log
UNEMBEDDING_LR = 0.003  # tune: 0.0005..0.05 log
MATRIX_LR = 0.028  # tune: 0.005..0.2 log
SCALAR_LR = 0.1  # tune: 0.01..1 log
ADAM_BETAS = (0.8, 0.95)  # tune: 0.6..0.99
# Decay of the matrices per step and learning rate; it falls to 0 with progress.
WEIGHT_DECAY = 0.2  # tune: 0..0.6
# Muon: momentum reached after so many steps from 0.85, orthogonalisation steps (at most 5; 3 win up
# to 12 s on a core, lose 0.01 at 60 s), decay of the second moment of an update's rows.
MUON_MOMENTUM = 0.95  # tune: 0.85..0.98
MUON_WARMUP_STEPS = 30  # tune: 0..1000
MUON_ITERATIONS = 5  # tune: 2..5
MUON_BETA2 = 0.95  # tune: 0.8..0.99

# Schedule: shares of the budget; learning rate at the end, as a share of its peak.
WARMDOWN = 0.8  # tune: 0.1..1
FINAL_LR = 0.0  # tune: 0..0.2
# Who has read a text twice is too sure of others: temperature of the logits and of the share in the
# evaluation, for each doubling of the passes; worth 0.001 after 1.7 passes, 0.009 after 3.4.
DOUBT = (0.05, 0.4)  # tune: skip

# Machine: "float32", "bfloat16", or "auto", whichever multiplies matrices faster; torch.compile
# (two cores: a seventh of a step or more for 40 s before); rows of a pass of the evaluation.
DTYPE = "auto"
COMPILE = False  # tune: skip
EVAL_ROWS = 2  # tune: skip

# On a GPU these take the place of the values above; they are the winners of karpathy's H100 log.
GPU = {"DEPTH": 9, "WIDTH": 512, "HEAD_DIM": 128, "WINDOW_PATTERN": "SSSSL", "SHORT_WINDOW": 256}
GPU |= {"ROPE_BASE": 200_000.0, "X0_INIT": 0.05, "BATCH_TOKENS": 2**18, "MUON_WARMUP_STEPS": 200}
GPU |= {"EMBEDDING_LR": 0.8, "UNEMBEDDING_LR": 0.005, "WARMDOWN": 0.75, "ORDER": 0, "PAIR_ROWS": 0}
GPU |= {"FINAL_LR": 0.05, "SHIFTED_HEADS": 0, "SMEAR": 0, "COMPILE": True, "EVAL_ROWS": 8}
GPU |= {"DOUBT": (0.0, 0.0)}


# --- model -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GPTConfig:
    vocab_size: int
    sequence_len: int
    depth: int
    width: int
    head_dim: int
    mlp_ratio: int = 4
    window_pattern: str = "L"
    short_window: int = 64
    rope_base: float = 10_000.0
    softcap: float = 15.0
    smear: int = 0
    shifted_heads: int = 0
    pair_rows: int = 0
    order: int = 0

    def window(self, layer: int) -> int:
        """Tokens that a layer attends to; the last layer sees them all."""
        kind = self.window_pattern[layer % len(self.window_pattern)]
        short = kind == "S" and layer < self.depth - 1
        return min(self.short_window, self.sequence_len) if short else self.sequence_len


def norm(x: Tensor) -> Tensor:
    """RMSNorm without a gain."""
    by_hand = x.device.type == "cpu" and not torch.compiler.is_compiling()
    return RMSNorm.apply(x) if by_hand else F.rms_norm(x, (x.size(-1),))


class RMSNorm(torch.autograd.Function):
    """The same in fewer passes, for the CPU, where nothing fuses them: 4 % of a step."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * x.size(-1) ** -0.5
        scale = size.add_(1e-6).reciprocal_()
        y = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        y, scale = ctx.saved_tensors
        along = (gradient * y).mean(-1, keepdim=True)
        return torch.addcmul(gradient, y, along, value=-1).mul_(scale)


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Weights are kept in float32 and multiplied in the type of the activations."""
    return F.linear(x, weight.to(x.dtype))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position: turn channel pairs of (B, T, H, D) by an angle that grows with T."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([torch.addcmul(a * cos, b, sin), torch.addcmul(b * cos, a, sin, value=-1)], -1)


class Block(nn.Module):
    def __init__(self, config: GPTConfig, layer: int, gated: bool):
        super().__init__()
        width, hidden = config.width, config.mlp_ratio * config.width
        self.heads, self.window = width // config.head_dim, config.window(layer)
        shifted = config.shifted_heads
        self.parts = [self.heads, shifted, self.heads - shifted, self.heads]  # of q, k, v
        self.q, self.k, self.v, self.out = (nn.Parameter(torch.empty(width, width)) for _ in "qkvo")
        self.gate = nn.Parameter(torch.zeros(self.heads, min(32, width))) if gated else None
        self.up = nn.Parameter(torch.empty(hidden, width))
        self.down = nn.Parameter(torch.empty(width, hidden))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, value: Tensor | None) -> Tensor:
        x = x + self.attention(norm(x), cos, sin, value)
        return x + linear(F.relu(linear(norm(x), self.up)).square(), self.down)

    def attention(self, x: Tensor, cos: Tensor, sin: Tensor, value: Tensor | None) -> Tensor:
        B, T, C = x.shape
        qkv = linear(x, torch.cat([self.q, self.k, self.v])).view(B, T, 3 * self.heads, -1)
        q, moved, k, v = qkv.split(self.parts, dim=2)
        if value is not None:
            gate = 2 * torch.sigmoid(linear(x[..., : self.gate.size(1)], self.gate))  # (B, T, H)
            v = v + gate[..., None] * value.view_as(v)
        qk = torch.cat([q, F.pad(moved[:, :-1], (0, 0, 0, 0, 1, 0)), k], dim=2)
        q, k = norm(rotate(qk, cos, sin)).chunk(2, dim=2)
        return linear(attend(q, k, v, self.window).reshape(B, T, C), self.out)


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Causal attention over the last `window` tokens, (B, T, H, D) in and out."""
    _, T, H, _ = q.shape
    if flash_attention is not None and q.is_cuda and q.dtype == torch.bfloat16:
        left = window - 1 if window < T else -1
        y = flash_attention(q, k, v, causal=True, window_size=(left, 0 if left >= 0 else -1))
        return y[0] if isinstance(y, tuple) else y
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (B, H, T, D)
    band = None
    if window < T or eager_attention(q):
        band = torch.ones(T, T, dtype=torch.bool, device=q.device).tril().triu(1 - window)
    if eager_attention(q):
        bias = torch.zeros(T, T, dtype=q.dtype).masked_fill_(~band, -math.inf)
        q, k, v = (x.flatten(0, 1) for x in (q, k, v))
        scores = torch.baddbmm(bias, q, k.mT, alpha=q.size(-1) ** -0.5)
        return (torch.softmax(scores, dim=-1) @ v).unflatten(0, (-1, H)).transpose(1, 2)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=band, is_causal=band is None)
    return y.transpose(1, 2)


def eager_attention(q: Tensor) -> bool:
    """For short rows in bfloat16 on a CPU two plain products beat the fused kernel: 4 ms to 12."""
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.size(-2) <= 512


# FlashAttention 3 or 2 when it is installed; the kernels inside PyTorch do otherwise.
flash_attention = None
for module in ("flash_attn_interface", "flash_attn") if torch.cuda.is_available() else ():
    with contextlib.suppress(ImportError):
        flash_attention = flash_attention or importlib.import_module(module).flash_attn_func


class GPT(nn.Module):
    def __init__(self, config: GPTConfig, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.config, self.dtype = config, dtype
        vocab, width, depth = config.vocab_size, config.width, config.depth
        self.token = nn.Embedding(vocab, width)
        start = torch.zeros(config.pair_rows, width)
        self.pairs = nn.Embedding.from_pretrained(start, freeze=False, sparse=True)
        self.smear = nn.Parameter(torch.zeros(config.smear, width))
        layers = range((depth - 1) % 2, depth, 2)  # every other one, the last among them
        self.values = nn.ModuleDict({str(i): nn.Embedding(vocab, width) for i in layers})
        self.blocks = nn.ModuleList(Block(config, i, i in layers) for i in range(depth))
        self.head = nn.Parameter(torch.empty(vocab, width))
        self.residual_scale = nn.Parameter(torch.ones(depth))
        self.x0_scale = nn.Parameter(torch.full((depth,), X0_INIT))
        self.mix_hidden = nn.Parameter(torch.zeros(width))
        self.mix_seen = nn.Parameter(torch.zeros(config.order))
        self.temperature = [1.0, 1.0]  # of the logits, of the n-grams' share
        self.ngrams: KneserNey | None = None  # counted from the training text, not learned
        angles = torch.outer(
            torch.arange(config.sequence_len),
            config.rope_base ** -(torch.arange(0, config.head_dim, 2) / config.head_dim),
        )[None, :, None]  # (1, T, 1, D / 2)
        self.register_buffer("cos", angles.cos().to(dtype), persistent=False)
        self.register_buffer("sin", angles.sin().to(dtype), persistent=False)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Blocks start as the identity and the head near zero: the first loss is ln(vocab)."""
        bound = math.sqrt(3 / self.config.width)  # uniform in +-bound has deviation width**-0.5
        nn.init.normal_(self.token.weight)
        nn.init.normal_(self.head, std=0.001)
        for table in self.values.values():
            nn.init.uniform_(table.weight, -bound, bound)
        for block in self.blocks:
            for weight in (block.q, block.k, block.v, block.up):
                nn.init.uniform_(weight, -bound, bound)
            nn.init.zeros_(block.out)
            nn.init.zeros_(block.down)

    @torch.compiler.disable  # which knows no sparse gradients
    def embed_pairs(self, tokens: Tensor) -> Tensor:  # (B, T, width)
        hashed = tokens * 1_000_003 + F.pad(tokens[:, :-1], (1, 0)) * 7919
        pairs = self.pairs(hashed % self.config.pair_rows)
        return pairs * (torch.rand_like(pairs[..., :1]) >= (PAIR_DROP if self.training else 0))

    def features(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, width), what the head multiplies."""
        cos, sin = (table[:, : tokens.size(1)] for table in (self.cos, self.sin))
        pairs = self.embed_pairs(tokens) if self.config.pair_rows else 0
        y = norm(self.token(tokens) + pairs).to(self.dtype)
        before = (F.pad(y, (0, 0, i, 0))[:, : y.size(1)] for i in range(1, len(self.smear) + 1))
        x = x0 = sum(map(torch.mul, self.smear.to(self.dtype), before), start=y)
        residual, again = self.residual_scale.to(self.dtype), self.x0_scale.to(self.dtype)
        for i, block in enumerate(self.blocks):
            value = self.values[str(i)](tokens).to(self.dtype) if str(i) in self.values else None
            x = block(residual[i] * x + again[i] * x0, cos, sin, value)
        return norm(x)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> logits (B, T, vocab), float32."""
        x = self.features(tokens)
        logits = soft_cap(linear(x, self.head).float(), self.config.softcap)
        logits /= self.temperature[0]
        if self.ngrams is None:
            return logits
        counted, seen = self.ngrams.of_all(tokens.numpy())
        share = torch.sigmoid(self.mix(x.flatten(0, 1), seen) / self.temperature[1])[:, None]
        mixed = (1 - share) * torch.softmax(logits, dim=-1).flatten(0, 1) + share * counted
        return mixed.log().view_as(logits)

    def mix(self, x: Tensor, seen: Tensor) -> Tensor:
        """(N, width), (N, order) -> (N,), the logit of the n-grams' share in the prediction."""
        return x.float() @ self.mix_hidden + seen @ self.mix_seen

    def loss(self, tokens: Tensor, targets: Tensor, counted: tuple | None = None) -> Tensor:
        """Mean nats per token; the gradient is also that of OWN_LOSS times the network's own."""
        if tokens.device.type != "cpu":
            return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())
        x = self.features(tokens).flatten(0, 1)
        known, seen = counted or (None, None)
        mix = None if seen is None else self.mix(x, seen)
        apply = torch.compiler.disable(HeadLoss.apply)
        return apply(x, self.head, targets.flatten(), self.config.softcap, known, mix)


def soft_cap(logits: Tensor, cap: float) -> Tensor:
    """cap * tanh(logits / cap), by the sigmoid: on a CPU that takes a tenth of the time."""
    return 2 * cap * torch.sigmoid(logits * (2 / cap)) - cap if cap else logits


class HeadLoss(torch.autograd.Function):
    """Head, soft cap, mixture and cross-entropy of GPT.loss in one pass, in the CPU's cache.

    The gradient is computed together with the loss, for 128 tokens at a time. The constant in
    `soft_cap` is left out, the softmax would not see it.
    """

    @staticmethod
    def forward(ctx, x, weight, targets, cap, known, mix) -> Tensor:
        w = (weight * (2 / cap if cap else 1)).to(x.dtype)  # the inside of the cap
        dx, dw = torch.empty_like(x), torch.zeros_like(weight)
        share = x.new_zeros(len(x), 1, dtype=torch.float32)
        share, known = (share, share) if mix is None else (mix.sigmoid()[:, None], known[:, None])
        hits, targets = torch.empty_like(share), targets[:, None]
        parts = (t.split(128) for t in (x, dx, hits, targets, share, known))
        for part, dpart, hit, target, g, k in zip(*parts, strict=True):
            z = (part @ w.T).float()  # (128, vocab)
            p = torch.softmax(z.sigmoid_() * (2 * cap) if cap else z, dim=-1)
            torch.gather(p, 1, target, out=hit).clamp_min_(1e-30)
            p.scatter_(1, target, hit - 1)  # the gradient of the nats, before the cap
            dz = (torch.ops.aten.sigmoid_backward(p, z) if cap else p).to(x.dtype)
            torch.mm(dz, w, out=dpart)
            if mix is not None:  # each token's weight
                own = (1 - g) * hit
                weights = (own / (own + g * k) + OWN_LOSS).to(x.dtype)
                dpart.mul_(weights)
                part = part * weights
            dw += dz.T @ part
        mixed = (1 - share) * hits + share * known
        dmix = None if mix is None else (share * (1 - known / mixed) / len(x))[:, 0]
        dx.mul_((2 * cap if cap else 1) / len(x))
        ctx.save_for_backward(dx, dw.mul_((4 if cap else 1) / len(x)), dmix)
        return -mixed.log().mean()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        dx, dw, dmix = ctx.saved_tensors
        dmix = None if dmix is None else dmix * gradient
        return dx * gradient.to(dx.dtype), dw * gradient, None, None, None, dmix


def flops_per_token(model: GPT) -> float:
    """Forward and backward: 6 per weight of a product, 12 per channel and attended token."""
    weights = model.head.numel() + sum(weight.numel() for weight in model.blocks.parameters())
    return 6 * weights + 12 * model.config.width * sum(block.window for block in model.blocks)


# --- counted n-grams ---------------------------------------------------------------------------


class NGrams:
    """All n-grams of one length; each sorted key is context * vocab + next token."""

    def __init__(self, keys: np.ndarray, counts: np.ndarray, vocab: int):
        self.counts, self.words = counts.astype(np.int32), keys % vocab
        self.contexts, self.size = np.unique(keys // vocab, return_counts=True)
        self.first = self.size.cumsum() - self.size  # of each context's keys
        self.context = np.repeat(np.arange(len(self.size)), self.size)  # of each key
        n1, n2, n3, n4 = (max(1, np.count_nonzero(counts == k)) for k in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        discount = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        self.discount = np.float32(discount * [1, *DISCOUNTS])
        self.total = np.add.reduceat(self.counts, self.first)  # of each context
        self.tail = np.add.reduceat(self.taken(counts), self.first)  # what is left to shorter ones

    def taken(self, counts: np.ndarray) -> np.ndarray:
        """The discounts of these counts."""
        return self.discount[np.minimum(counts, 3)]


class KneserNey:
    """Interpolated Kneser-Ney with three discounts (Chen and Goodman 1998), from training text."""

    def __init__(self, tokens: np.ndarray, order: int, vocab: int):
        self.order, self.vocab, self.bos = order, vocab, vocab - 1  # as in prepare.Data
        self.levels: list[NGrams] = []  # the longest first, down to pairs
        keys, places = self.keys(self.grams(tokens[None], order)[0]), []
        for n in range(order, 0, -1):
            # Of the longest, how often; of a shorter one, after how many different tokens.
            keys, place, counts = np.unique(
                keys % vocab**n, return_inverse=True, return_counts=True
            )
            self.levels.append(NGrams(keys, counts, vocab))
            places.append(place)  # of each n-gram of the level before, here
        single = self.levels.pop()
        self.unigram = np.full(vocab, single.tail[0] / vocab)
        self.unigram[single.words] += single.counts - single.taken(single.counts)
        self.unigram /= single.total[0]
        self.said, self.seen = (x[places[0]] for x in self.without_itself(places[1:]))

    def keys(self, grams: np.ndarray) -> np.ndarray:
        """(N, n) -> (N,)"""
        return grams.astype(np.int64) @ self.vocab ** np.arange(grams.shape[1])[::-1]

    def grams(self, rows: np.ndarray, n: int) -> np.ndarray:
        """(B, T) -> (B, T, n): each token and those before it."""
        padded = np.pad(rows, ((0, 0), (n - 1, 0)), constant_values=self.bos)
        return np.lib.stride_tricks.sliding_window_view(padded, n, axis=1)

    def without_itself(self, places: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """For the longest n-grams (N,): what the model says of the last token, had this occurrence
        not been counted; and log(1 + how often each context was seen), (N, order).
        """
        index = np.arange(len(self.levels[0].words))
        here = np.ones(len(index), np.int32)  # does its own occurrence count at this length?
        steps = []
        for level, place in zip(self.levels, places, strict=True):
            count, context = level.counts[index], level.context[index]
            left, total = count - here, np.float32(level.total[context] - here)
            taken = level.taken(left)
            tail = level.tail[context] + taken - level.taken(count)
            steps.append((np.float32(left) - taken, tail, total))
            here *= count == 1
            index = place[index]
        p = np.float32(self.unigram)[self.levels[0].words]
        seen = [np.ones_like(p)]
        for top, tail, total in reversed(steps):
            p = np.where(total > 0, (top + tail * p) / np.maximum(total, 1), p)
            seen.append(np.log1p(total))
        return p, np.stack(seen, 1)

    def of_targets(self, rows: np.ndarray, places: np.ndarray) -> tuple[Tensor, Tensor]:
        """For training rows (B, T + 1) that begin at these places (B,) of the text: what
        `without_itself` says of each target, (B * T,), after the cache, and (B * T, order).
        """
        at = (places[:, None] + np.arange(1, rows.shape[1])).ravel()
        p, rows = self.said[at], rows.astype(np.uint16)
        follows = rows[:, 1:, None] == rows[:, None, 1:]
        for weight, same in repeats(rows[:, :-1]):
            often, hits = (x.sum(2, dtype=np.uint16).ravel() for x in (same, same & follows))
            p = (hits + weight * p) / (often + weight)
        return torch.from_numpy(p.astype(np.float32)), torch.from_numpy(self.seen[at])

    def of_all(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """The same for text that was not counted, (B, T), and every next token: (B * T, vocab)."""
        grams = self.grams(rows, self.order - 1).reshape(-1, self.order - 1)
        p = np.tile(self.unigram.astype(np.float32), (len(grams), 1))
        seen = [np.ones(len(grams))]
        for level, n in zip(reversed(self.levels), range(1, self.order), strict=True):
            key = self.keys(grams[:, -n:])
            context = np.minimum(np.searchsorted(level.contexts, key), len(level.contexts) - 1)
            known = level.contexts[context] == key
            total = level.total[context]
            size = level.size[context] * known
            row = np.repeat(np.arange(len(grams)), size)
            entry = (level.first[context] - size.cumsum() + size)[row] + np.arange(len(row))
            counts = level.counts[entry]
            p *= np.where(known, level.tail[context] / total, 1).astype(np.float32)[:, None]
            p[row, level.words[entry]] += (counts - level.taken(counts)) / total[row]
            seen.append(np.log1p(total * known))
        for weight, same in repeats(rows):
            row, now, then = same.nonzero()
            place = row * rows.shape[1] + now
            size = (same.sum(2).ravel() + weight).astype(np.float32)
            p *= (weight / size)[:, None]
            np.add.at(p, (place, rows[row, then + 1]), 1 / size[place])
        return torch.from_numpy(p), torch.from_numpy(np.stack(seen, 1)).float()


def repeats(rows: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """A cache (Kuhn and De Mori 1990) of (B, T): each weight of CACHE, and (B, T, T), whether the
    last 1, 2, ... tokens at [now] were the same at [then], earlier in the row.
    """
    same = last = np.tril(rows[:, :, None] == rows[:, None, :], -1)
    for weight in CACHE:
        yield weight, same
        same = last & np.pad(same, ((0, 0), (1, 0), (1, 0)))[:, :-1, :-1]


# --- optimizer ---------------------------------------------------------------------------------

# Polar Express (arXiv 2505.16932): the best quintic for each step, with a safety factor of 1.02.
POLAR_EXPRESS = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]


def orthogonalize(g: Tensor, iterations: int, dtype: torch.dtype) -> Tensor:
    """(N, rows, columns) -> about U V^T of each matrix: all singular values near 1."""
    x = g.to(dtype)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    for a, b, c in POLAR_EXPRESS[:iterations]:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum, rows evened (NorMuon, arXiv 2510.05491); one shape to a group."""

    def __init__(self, groups: list[dict], dtype: torch.dtype, orthogonalize=orthogonalize):
        super().__init__(groups, {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.0})
        self.dtype, self.orthogonalize = dtype, orthogonalize

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            weights = group["params"]
            stacked = torch.stack(weights)  # (N, rows, columns)
            gradient = torch.stack([w.grad for w in weights])
            state = self.state[weights[0]]
            narrow = -1 if gradient.size(-2) >= gradient.size(-1) else -2
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
                state["second"] = torch.zeros_like(gradient.mean(narrow, keepdim=True))
            momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
            update = gradient.lerp(momentum, group["momentum"])  # Nesterov
            update = self.orthogonalize(update, MUON_ITERATIONS, self.dtype).float()
            power = update.square().mean(narrow, keepdim=True)  # of each row or column
            second = state["second"].lerp_(power, 1 - MUON_BETA2).clamp_min(1e-10)
            before, after = (x.sum((-2, -1), keepdim=True) for x in (power, power / second))
            update *= (before / after.clamp_min(1e-10) / second).sqrt()  # the whole keeps its size
            rate = group["lr"] * max(1.0, stacked.size(-2) / stacked.size(-1)) ** 0.5
            cautious = (update * stacked) >= 0  # decay only where the step goes the same way
            update += group["weight_decay"] * stacked * cautious
            torch._foreach_copy_(weights, list((stacked - rate * update).unbind()))


def make_optimizers(model: GPT, dtype: torch.dtype, orthogonalize=orthogonalize) -> list:
    """Adam, and Muon for the matrices inside the blocks."""
    scale = (model.config.width / 768) ** -0.5
    tables = [model.token.weight, *(table.weight for table in model.values.values())]
    groups = [
        {"params": tables, "lr": EMBEDDING_LR * scale},
        {"params": [model.head], "lr": UNEMBEDDING_LR * scale},
        {"params": [model.residual_scale], "lr": SCALAR_LR * 0.01},
        {"params": [model.smear], "lr": SCALAR_LR * 0.2},
        {"params": [model.x0_scale], "lr": SCALAR_LR, "betas": (0.96, 0.95)},
        {"params": [model.mix_hidden, model.mix_seen], "lr": MIX_LR},
    ]
    shapes: dict[torch.Size, list[nn.Parameter]] = {}
    for block in model.blocks:
        for weight in block.parameters():
            shapes.setdefault(weight.shape, []).append(weight)
    muon = [{"params": weights, "lr": MATRIX_LR} for weights in shapes.values()]
    adam = torch.optim.AdamW(groups, betas=ADAM_BETAS, eps=1e-10, weight_decay=0.0, fused=True)
    optimizers = [adam, Muon(muon, dtype, orthogonalize)]
    if model.config.pair_rows:  # a step touches few of them
        pairs = [{"params": [model.pairs.weight], "lr": PAIR_LR * scale}]
        optimizers.append(torch.optim.SparseAdam(pairs, betas=ADAM_BETAS, eps=1e-10))
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["peak_lr"] = group["lr"]
    return optimizers


def schedule(progress: float) -> float:
    """Learning rate relative to its peak at this share of the budget: flat, then down."""
    left = min(1.0, (1 - progress) / max(WARMDOWN, 1e-9))
    return left + (1 - left) * FINAL_LR


def set_rates(optimizers: list[torch.optim.Optimizer], progress: float, step: int) -> None:
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = group["peak_lr"] * schedule(progress)
    for group in optimizers[1].param_groups:  # Muon
        group["momentum"] = 0.85 + (MUON_MOMENTUM - 0.85) * min(1, step / max(1, MUON_WARMUP_STEPS))
        group["weight_decay"] = WEIGHT_DECAY * (1 - progress)


# --- training ----------------------------------------------------------------------------------


def make_config(data: prepare.Data) -> GPTConfig:
    """The model's shape: a field is the constant of the same name, or given by the data."""
    if WIDTH % HEAD_DIM or HEAD_DIM % 2 or WIDTH < SHIFTED_HEADS * HEAD_DIM:
        raise prepare.Failure(f"WIDTH {WIDTH}: no multiple of an even HEAD_DIM, or too few heads")
    if ORDER and ORDER < 2:
        raise prepare.Failure(f"ORDER {ORDER}: expected 0, or 2 and more")
    order = min(ORDER, int(63 / math.log2(data.vocab_size)))  # an n-gram's key is one int64
    given = {"vocab_size": data.vocab_size, "sequence_len": data.sequence_len, "order": order}
    names = [field.name for field in fields(GPTConfig) if field.name not in given]
    return GPTConfig(**given, **{name: globals()[name.upper()] for name in names})


class Run:
    """A model in training: `step` is forward, backward and update of one batch."""

    def __init__(self, data: prepare.Data, machine: prepare.Machine):
        torch.manual_seed(SEED)
        self.device, self.dtype = machine.device, machine.dtype
        self.model = GPT(make_config(data), machine.dtype).to(machine.device)
        self.model.init_weights()
        self.loss = self.model.loss
        self.optimizers = make_optimizers(self.model, self.dtype)
        rows = max(1, BATCH_TOKENS // data.sequence_len)
        self.tokens = rows * data.sequence_len  # of a step
        self.batches = data.batches(rows, DEVICE_ROWS, SEED)
        self.ready = prepare.ahead(self.load())

    def count(self, data: prepare.Data) -> None:
        """Count the n-grams of the training text, which takes 1 s on the clock."""
        tokens = data.train_tokens() if self.device == "cpu" and self.model.config.order else ()
        if 0 < len(tokens) <= 2**24:  # more take too long and too much memory
            self.model.ngrams = KneserNey(tokens, self.model.config.order, data.vocab_size)
            self.ready = prepare.ahead(self.load())

    def load(self) -> Iterator[list[tuple[Tensor, tuple | None]]]:
        """Batches: for each micro step rows (rows, T + 1), and the n-grams' word on them."""
        say = self.model.ngrams.of_targets if self.model.ngrams else lambda *_: None
        for batch in self.batches:
            yield [(torch.from_numpy(rows), say(rows, places)) for places, rows in batch]

    def step(self, progress: float, count: int) -> Tensor:
        """Returns the mean loss of the batch, in nats per token, before the update."""
        total = torch.zeros((), device=self.device)
        batch = next(self.ready)
        for rows, counted in batch:
            rows = rows.pin_memory() if self.device == "cuda" else rows
            rows = rows.to(self.device, non_blocking=True)
            loss = self.loss(rows[:, :-1], rows[:, 1:], counted) / len(batch)
            loss.backward()
            total += loss.detach()
        set_rates(self.optimizers, progress, count)
        for optimizer in self.optimizers:
            optimizer.step()
        self.model.zero_grad(set_to_none=True)
        return total

    def compile(self) -> None:
        """Compile and run two steps outside the clock, then put everything back as it was."""
        weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        fast = torch.compile(orthogonalize, dynamic=False)
        try:
            self.loss = torch.compile(self.model.loss, dynamic=False)
            self.optimizers = make_optimizers(self.model, self.dtype, fast)
            for _ in range(2):
                self.step(0.0, 0)
            prepare.wait_for(self.device)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # no compiler on this machine, or one that gives up
            print(f"not compiled: {str(error).strip().splitlines()[0][:200]}", flush=True)
            self.loss, fast = self.model.loss, orthogonalize
        self.model.zero_grad(set_to_none=True)
        self.model.load_state_dict(weights)
        self.optimizers = make_optimizers(self.model, self.dtype, fast)


def train(data: prepare.Data, machine: prepare.Machine, budget: prepare.Budget) -> Run:
    """Train until the budget is spent, or with a number of steps."""
    run = Run(data, machine)
    config = run.model.config
    started = time.monotonic()
    if COMPILE:
        run.compile()
    warmup = time.monotonic() - started
    print(f"device={machine.name} depth={config.depth} width={config.width}", end=" ")
    print(f"tokens={run.tokens} budget={budget.seconds:g}s warmup={warmup:.1f}s")
    budget.start(warmup)
    run.count(data)
    limit = 2 * math.log(config.vocab_size)  # twice what knowing nothing costs
    while (progress := budget.progress) < 1:
        budget.record(run.step(progress, budget.step).item(), limit)
    doublings = math.log2(max(1.0, budget.step * run.tokens / data.train_size))
    run.model.eval().temperature = [1 + doubt * doublings for doubt in DOUBT]
    return run


def run_once(steps: int | None = None) -> dict[str, object]:
    """Train and evaluate with the constants above; the summary in the order it is printed."""
    data = prepare.load()
    machine = prepare.detect_machine(DTYPE)
    if machine.device != "cpu":
        globals().update(GPU)
    budget = prepare.Budget(prepare.time_budget(data), steps)
    run = train(data, machine, budget)
    cost = run.tokens * flops_per_token(run.model)
    summary = prepare.summarize(run.model, data, machine, budget, run.tokens, cost, EVAL_ROWS)
    return summary | {"depth": run.model.config.depth}


if __name__ == "__main__":
    sys.exit(prepare.report(run_once))
