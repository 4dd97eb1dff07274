"""GPT-2, Llama and Mixtral in plain PyTorch: the other side of "ours equals theirs".

Reads a list of cases from standard input and writes one result for each to standard output, both as JSON.

case:   {model: 'gpt' | 'llama' | 'mixtral', options: {...as in src/nn/models...}, dtype: 'float32' | 'float64',
         microbatches: logical microbatches in a batch,
         parameters: {name: {shape, values}}, batches: [{tokens, labels}],
         autocast: true where matrix products run in bf16, as torch.autocast has it,
         optimizer: null | {lr: [a rate for each batch], betas, eps, weight_decay, clip}}
result: {loss_sum, tokens, gradients: {name: values}, losses, gradient_norms, parameters: {name: values}}

`loss_sum` and `losses` are of the cross-entropy alone, in nats; what is trained on is its mean over real tokens and, for Mixtral, the mean of
the balance loss over microbatches that have a real token and the mean of the z-loss over real tokens, each over layers too, weighed:
`gradients` are those of `tokens` times that on the first batch, and the rest is after one AdamW step for each batch, with clip_grad_norm_
and weight decay on parameters of two or more dimensions.
"""

import itertools
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


def gpt(p, o, tokens, real, microbatches):
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
    return F.linear(x, p["embedding.weight"]), torch.zeros(microbatches, 2, dtype=x.dtype)


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


def swiglu(p, prefix, x):
    h = F.silu(F.linear(x, p[prefix + "gate.weight"])) * F.linear(x, p[prefix + "up.weight"])
    return F.linear(h, p[prefix + "down.weight"])


def router_logits(x, weight):
    """Logits are not rounded to bf16: where autocast rounds operands, their exact products are summed in f32."""
    rounded = torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu", enabled=False):
        return F.linear(*(t.bfloat16().to(t.dtype) if rounded else t for t in (x, weight)))


def experts(p, b, o, x, real):
    """A mixture of experts over the tokens of one logical microbatch, group by group and expert by expert: y, and of its real tokens the
    balance loss and the sum of the z-loss."""
    tokens = x.flatten(0, -2)
    logits = router_logits(tokens, p[b + "router.weight"])
    probability = logits.softmax(-1)
    n, e, k, groups = len(tokens), o["experts"], o["choices"], o.get("token_groups", 1)
    capacity = math.ceil(o.get("capacity_factor", 1.25) * k * n / groups / e)
    chosen, ids = probability.topk(k, -1)
    weights = (chosen / chosen.sum(-1, keepdim=True)).flatten()
    y = torch.zeros_like(tokens)
    group = (torch.arange(x.shape[-2]) * groups // x.shape[-2]).repeat(n // x.shape[-2]).repeat_interleave(k)
    for expert, own_group in itertools.product(range(e), range(groups)):
        queue = ((ids.flatten() == expert) & (group == own_group)).nonzero().squeeze(1)[:capacity]
        own = tokens[queue // k]
        h = F.silu(F.linear(own, p[b + "gate"][expert])) * F.linear(own, p[b + "up"][expert])
        out = weights[queue, None] * F.linear(h, p[b + "down"][expert])
        y = y.index_add(0, queue // k, out.to(y.dtype))
    real = real.flatten()
    share = ids[real].flatten().bincount(minlength=e).to(probability.dtype) / (max(1, int(real.sum())) * k)
    balance = e * (share * probability[real].sum(0) / max(1, int(real.sum()))).sum()
    return y.reshape(x.shape), torch.stack([balance, logits[real].logsumexp(-1).square().sum()])


def llama(p, o, tokens, real, microbatches):
    routers = torch.zeros(microbatches, 2, dtype=p["norm.weight"].dtype)
    eps, base, kv = o.get("eps", 1e-5), o.get("rope_base", 10000), o.get("kv_heads", o["heads"])
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
        if b + "experts.router.weight" in p:
            parts = [experts(p, b + "experts.", o, *part) for part in zip(h.chunk(microbatches), real.chunk(microbatches))]
            x = x + torch.cat([y for y, _ in parts])
            routers = routers + torch.stack([own for _, own in parts])
        else:
            x = x + swiglu(p, b + "mlp.", h)
    head = p["embedding.weight"] if o.get("tied") else p["head.weight"]
    return F.linear(rms_norm(x, p["norm.weight"], eps), head), routers


def run(case):
    dtype = getattr(torch, case["dtype"])
    p = {
        name: torch.tensor(given["values"], dtype=dtype).reshape(given["shape"]).requires_grad_()
        for name, given in case["parameters"].items()
    }
    forward = {"gpt": gpt, "llama": llama, "mixtral": llama}[case["model"]]

    def summed(batch):
        tokens, labels = torch.tensor(batch["tokens"]), torch.tensor(batch["labels"])
        o, microbatches = case["options"], case["microbatches"]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=case.get("autocast", False)):
            logits, routers = forward(p, o, tokens, labels >= 0, microbatches)
        logits = logits.to(dtype)
        loss = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index=-1, reduction="sum")
        real = (labels >= 0).reshape(microbatches, -1).sum(-1)
        tokens = int(real.sum())
        balance, z = routers.sum(0) / o["layers"]
        means = o.get("balance", 0.01) * balance / int((real > 0).sum()) + o.get("z_loss", 0.0) * z / tokens
        return loss, means * tokens, tokens

    loss, others, tokens = summed(case["batches"][0])
    gradients = dict(zip(p, torch.autograd.grad(loss + others, list(p.values()))))
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
            loss, others, tokens = summed(batch)
            ((loss + others) / tokens).backward()
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
