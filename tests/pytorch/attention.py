"""torch's scaled_dot_product_attention under explicit masks, in float64: the other side of the attention kernels.

Reads {q, k, v, dO, starts, ends, sinks, slopes, bias: {shape, values}, cases: [...]} from standard input, q [b s h d], k and v [b t g d],
and writes for each case {o, logsumexp, dQ, dK, dV, dSinks?, dBias?}, flat, to standard output, all as JSON.

case: {causal: bool, window: int, given: names}
    window: a query sees its own position and window - 1 before it (and behind it, where not causal); 0: all
    given: which of these it has: starts, ends [b s]: a query sees keys from one on and up to the other; sinks [h]: a logit beside those of
    the keys, as gpt-oss has it; slopes [h]: ALiBi; bias [h n]: what is added by relative position, the middle one for a query's own
"""

import json
import math
import sys

import torch
import torch.nn.functional as F


def tensor(x):
    return torch.tensor(x["values"], dtype=torch.float64).reshape(x["shape"])


def mask_of(case, given, s, t):
    query, key = torch.arange(s)[:, None], torch.arange(t)[None, :]
    mask = torch.ones(1, 1, s, t, dtype=torch.bool)
    if case["causal"]:
        mask &= key <= query
    if case["window"]:
        mask &= (query - key).abs() < case["window"]
    if "starts" in case["given"]:
        mask = mask & (key >= given["starts"][:, None, :, None])
    if "ends" in case["given"]:
        mask = mask & (key < given["ends"][:, None, :, None])
    return mask


def added_of(case, given, s, t):
    """[1 h s t]"""
    distance = torch.arange(t)[None, :] - torch.arange(s)[:, None]
    added = torch.zeros(1, 1, s, t, dtype=torch.float64)
    if "slopes" in case["given"]:
        added = added - given["slopes"][None, :, None, None] * distance.abs()
    if "bias" in case["given"]:
        far = given["bias"].shape[1] // 2
        added = added + given["bias"][:, distance.clamp(-far, far) + far][None]
    return added


def run(case, given):
    learned = ["q", "k", "v"] + [name for name in ("sinks", "bias") if name in case["given"]]
    given = given | {name: given[name].clone().requires_grad_() for name in learned}
    group = given["q"].shape[2] // given["k"].shape[2]
    q, k, v = given["q"].transpose(1, 2), *(given[x].transpose(1, 2).repeat_interleave(group, 1) for x in ("k", "v"))
    shape = (q.shape[2], k.shape[2])
    mask = added_of(case, given, *shape).masked_fill(~mask_of(case, given, *shape), -math.inf)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
    if "sinks" in case["given"]:
        sinks = given["sinks"].view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        scores = torch.cat([scores, sinks], -1)
        o = scores.softmax(-1)[..., :-1] @ v
    else:
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    o = o.transpose(1, 2)
    gradients = torch.autograd.grad(o, [given[name] for name in learned], given["dO"])
    named = {"o": o, "logsumexp": scores.logsumexp(-1).transpose(1, 2)}
    named |= {"d" + name.capitalize(): gradient for name, gradient in zip(learned, gradients)}
    return {name: x.flatten().tolist() for name, x in named.items()}


torch.set_num_threads(1)
job = json.load(sys.stdin)
given = {name: tensor(x) for name, x in job.items() if name != "cases"}
json.dump([run(case, given) for case in job["cases"]], sys.stdout)
