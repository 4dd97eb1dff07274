"""GPT-2 as src/nn/models/gpt.ts, the fastest way that plain PyTorch has for each part: SDPA, fused AdamW, autocast.

Parameters have the names and shapes of ours, so that both sides start from one file.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x):
        n, s, d = x.shape
        q, k, v = self.qkv(x).view(n, s, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(a.transpose(1, 2).reshape(n, s, d))


class MLP(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, 4 * dim)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Mean cross-entropy of each next token."""

    def __init__(self, layers, dim, heads, context, vocab):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.positions = nn.Embedding(context, dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens, labels, positions=None):
        """`positions`: of these tokens, where they do not begin a sequence."""
        x = self.embedding(tokens) + (self.positions.weight[: tokens.shape[-1]] if positions is None else positions)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.float().flatten(0, -2), labels.flatten())


def load(model, parameters):
    """Reads first values from a file of f32 numbers: {file, tensors: {name: {shape, offset in elements}}}."""
    given = torch.from_file(parameters["file"], size=parameters["elements"], dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            tensor = parameters["tensors"].pop(name)
            weight.copy_(given[tensor["offset"] :][: math.prod(tensor["shape"])].reshape(tensor["shape"]))
    assert not parameters["tensors"], f"not in the model: {list(parameters['tensors'])}"
