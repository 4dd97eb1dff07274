"""GPT-2 and Llama in plain PyTorch: the other side of "ours equals theirs".

Reads a list of cases from standard input and writes one result for each to standard output, both as JSON.

case:   {model: 'gpt' | 'llama', options: {...as in src/nn/models...}, dtype: 'float32' | 'float64',
         parameters: {name: {shape, values}}, batches: [{tokens, labels}],
         optimizer: null | {lr: [a rate for each batch], betas, eps, weight_decay, clip}}
result: {loss_sum, tokens, gradients: {name: values}, losses, gradient_norms, parameters: {name: values}}

`gradients` are those of the summed loss on the first batch; the rest is after one AdamW step for each batch on the mean loss,
with clip_grad_norm_ and weight decay on parameters of two or more dimensions.
"""

import json
import math
import sys

import torch
import torch.nn.functional as F


def causal_attention(q, k, v):
    """q: [n heads s d], k and v: [n kv_heads s d]; written out, so that nothing but softmax and matmul is trusted."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    return scores.masked_fill(~mask, -math.inf).softmax(-1) @ v


def split_heads(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(-2, -3)


def merge_heads(x):
    return x.transpose(-2, -3).flatten(-2)


def gpt(p, o, tokens):
    n, s = tokens.shape
    x = p["embedding.weight"][tokens] + p["positions.weight"][:s]
    for i in range(o["layers"]):
        b = f"blocks.{i}."
        h = F.layer_norm(x, x.shape[-1:], p[b + "norm1.weight"], p[b + "norm1.bias"], 1e-5)
        qkv = F.linear(h, p[b + "attention.qkv.weight"], p[b + "attention.qkv.bias"])
        q, k, v = (split_heads(t, o["heads"]) for t in qkv.chunk(3, -1))
        a = merge_heads(causal_attention(q, k, v))
        x = x + F.linear(a, p[b + "attention.output.weight"], p[b + "attention.output.bias"])
        h = F.layer_norm(x, x.shape[-1:], p[b + "norm2.weight"], p[b + "norm2.bias"], 1e-5)
        h = F.gelu(F.linear(h, p[b + "mlp.up.weight"], p[b + "mlp.up.bias"]), approximate="tanh")
        x = x + F.linear(h, p[b + "mlp.down.weight"], p[b + "mlp.down.bias"])
    x = F.layer_norm(x, x.shape[-1:], p["norm.weight"], p["norm.bias"], 1e-5)
    return F.linear(x, p["embedding.weight"])


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def rotary(x, base):
    """Rotates pairs (i, i + d/2) of the last dimension by position · base^(-2i/d), as Llama in Hugging Face."""
    s, d = x.shape[-2:]
    frequency = base ** (-torch.arange(0, d, 2, dtype=x.dtype) / d)
    angle = torch.arange(s, dtype=x.dtype)[:, None] * frequency
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., : d // 2], x[..., d // 2 :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def llama(p, o, tokens):
    eps, base, kv = o.get("eps", 1e-5), o.get("ropeBase", 10000), o.get("kvHeads", o["heads"])
    x = p["embedding.weight"][tokens]
    for i in range(o["layers"]):
        b = f"blocks.{i}."
        h = rms_norm(x, p[b + "norm1.weight"], eps)
        if b + "attention.qkv.weight" in p:
            q, k, v = F.linear(h, p[b + "attention.qkv.weight"]).chunk(3, -1)
        else:
            q, k, v = (F.linear(h, p[b + f"attention.{name}.weight"]) for name in ("q", "k", "v"))
        q, k, v = split_heads(q, o["heads"]), split_heads(k, kv), split_heads(v, kv)
        a = merge_heads(causal_attention(rotary(q, base), rotary(k, base), v))
        x = x + F.linear(a, p[b + "attention.output.weight"])
        h = rms_norm(x, p[b + "norm2.weight"], eps)
        h = F.silu(F.linear(h, p[b + "mlp.gate.weight"])) * F.linear(h, p[b + "mlp.up.weight"])
        x = x + F.linear(h, p[b + "mlp.down.weight"])
    head = p["embedding.weight"] if o.get("tied") else p["head.weight"]
    return F.linear(rms_norm(x, p["norm.weight"], eps), head)


def run(case):
    dtype = getattr(torch, case["dtype"])
    p = {
        name: torch.tensor(given["values"], dtype=dtype).reshape(given["shape"]).requires_grad_()
        for name, given in case["parameters"].items()
    }
    forward = {"gpt": gpt, "llama": llama}[case["model"]]

    def summed(batch):
        tokens, labels = torch.tensor(batch["tokens"]), torch.tensor(batch["labels"])
        logits = forward(p, case["options"], tokens)
        loss = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index=-1, reduction="sum")
        return loss, int((labels >= 0).sum())

    loss, tokens = summed(case["batches"][0])
    gradients = dict(zip(p, torch.autograd.grad(loss, list(p.values()))))
    result = {
        "loss_sum": loss.item(),
        "tokens": tokens,
        "gradients": {name: g.flatten().tolist() for name, g in gradients.items()},
    }
    o = case["optimizer"]
    if o:
        groups = [
            {"params": [w for w in p.values() if w.dim() >= 2], "weight_decay": o["weight_decay"]},
            {"params": [w for w in p.values() if w.dim() < 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, betas=o["betas"], eps=o["eps"])
        losses, norms = [], []
        for batch, lr in zip(case["batches"], o["lr"]):
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.zero_grad()
            loss, tokens = summed(batch)
            (loss / tokens).backward()
            norms.append(torch.nn.utils.clip_grad_norm_(list(p.values()), o["clip"]).item())
            optimizer.step()
            losses.append((loss / tokens).item())
        result |= {
            "losses": losses,
            "gradient_norms": norms,
            "parameters": {name: w.detach().flatten().tolist() for name, w in p.items()},
        }
    return result


torch.set_num_threads(1)
json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
