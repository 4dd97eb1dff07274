"""A long-lived process that trains the bench's model in PyTorch, step by step as it is told: the peer of bench/contestant/ours.ts.

First argument: the configuration (bench/contestant/config.ts) as a file. Commands are lines on standard input, answers JSON lines on
standard output: `run N` → {seconds, cpu_seconds, losses, gradient_norms} of each step, `validate` → {loss}, `memory` → {peak_bytes}. With RANK and WORLD_SIZE
set it is one rank of DistributedDataParallel over Gloo; all ranks are given the same commands.
"""

import json
import os
import sys
import time

import torch

import gpt

config = json.load(open(sys.argv[1]))
rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
torch.set_num_threads(config["threads"])
context, share = config["model"]["context"], config["sequences"] // ranks
microbatch = min(config["microbatch"], share)

model = gpt.GPT(**config["model"])
gpt.load(model, config["parameters"])
o = config["optimizer"]
weights = list(model.parameters())
optimizer = torch.optim.AdamW(
    [
        {"params": [w for w in weights if w.dim() >= 2], "weight_decay": o["weight_decay"]},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
    ],
    betas=(o["beta1"], o["beta2"]),
    eps=o["eps"],
    fused=True,
)
trained = model
if ranks > 1:
    torch.distributed.init_process_group("gloo")
    trained = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
if config["compile"]:
    trained = torch.compile(trained)


def numbers(file, count):
    """[batches, 2 (tokens, labels), sequences, context], i32."""
    flat = torch.from_file(file, size=count * 2 * config["sequences"] * context, dtype=torch.int32)
    return flat.reshape(count, 2, config["sequences"], context)


batches = numbers(config["batches"]["file"], config["batches"]["count"])
autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16, enabled=config["compute"] == "bf16")


def step(index):
    rows = batches[index % len(batches)][:, rank * share : (rank + 1) * share].long()
    for group in optimizer.param_groups:
        group["lr"] = config["rates"][index % len(config["rates"])]
    optimizer.zero_grad(set_to_none=True)
    # Its whole share at once: accumulating over microbatches would only cost it time.
    with autocast():
        loss = trained(*rows)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(weights, o["clip"])
    optimizer.step()
    return loss.item(), norm.item()


@torch.no_grad()
def validate():
    given = numbers(config["validation"]["file"], config["validation"]["count"]).long()
    losses = []
    for batch in given:
        for first in range(0, config["sequences"], microbatch):
            with autocast():
                losses.append(model(*batch[:, first : first + microbatch]).item())
    return sum(losses) / len(losses)


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


done = 0
for line in sys.stdin:
    command, *arguments = line.split()
    if command == "run":
        seconds, cpu_seconds, results = [], [], []
        for _ in range(int(arguments[0])):
            start, cpu_start = time.perf_counter(), time.process_time()
            results.append(step(done))
            seconds.append(time.perf_counter() - start)
            cpu_seconds.append(time.process_time() - cpu_start)
            done += 1
        losses, norms = zip(*results)
        answer = {"seconds": seconds, "cpu_seconds": cpu_seconds, "losses": losses, "gradient_norms": norms}
    elif command == "validate":
        answer = {"loss": validate()}
    else:
        answer = {"peak_bytes": peak_bytes()}
    print(json.dumps(answer), flush=True)
if ranks > 1:
    torch.distributed.destroy_process_group()
