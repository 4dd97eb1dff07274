"""torch's scaled_dot_product_attention under explicit masks, in float64: the other side of the attention kernels.

Reads {q, k, v, dO: {shape, values}, cases: [...]} from standard input, q [b s h d], k and v [b t g d], and writes for each case
{o, logsumexp, dQ, dK, dV}, flat, to standard output, all as JSON.

case: {causal: bool, window: int}    a query sees its own position and window - 1 before it (and behind it, where not causal); 0: all
"""

import json
import math
import sys

import torch
import torch.nn.functional as F


def tensor(x):
    return torch.tensor(x["values"], dtype=torch.float64).reshape(x["shape"])


def mask_of(case, s, t):
    query, key = torch.arange(s)[:, None], torch.arange(t)[None, :]
    mask = torch.ones(s, t, dtype=torch.bool)
    if case["causal"]:
        mask &= key <= query
    if case["window"]:
        mask &= (query - key).abs() < case["window"]
    return mask


def run(case, given):
    leaves = [given[name].clone().requires_grad_() for name in ("q", "k", "v")]
    group = leaves[0].shape[2] // leaves[1].shape[2]
    q, k, v = leaves[0].transpose(1, 2), *(x.transpose(1, 2).repeat_interleave(group, 1) for x in leaves[1:])
    mask = mask_of(case, q.shape[2], k.shape[2])
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)
    scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(~mask, -math.inf)
    gradients = torch.autograd.grad(o, leaves, given["dO"])
    named = {"o": o, "logsumexp": scores.logsumexp(-1).transpose(1, 2), **dict(zip(("dQ", "dK", "dV"), gradients))}
    return {name: x.flatten().tolist() for name, x in named.items()}


torch.set_num_threads(1)
job = json.load(sys.stdin)
given = {name: tensor(job[name]) for name in ("q", "k", "v", "dO")}
json.dump([run(case, given) for case in job["cases"]], sys.stdout)
