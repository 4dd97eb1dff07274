"""A long-lived process that trains the bench's model in PyTorch, step by step as it is told: the peer of bench/contestant/ours.ts.

First argument: the configuration (bench/contestant/config.ts) as a file. Commands are lines on standard input, answers JSON lines on
standard output: `run N` → {seconds, cpu_seconds, losses, gradient_norms} of each step, `validate` → {loss}, `memory` → {peak_bytes,
allocated_bytes}, `about` → {torch, cuda, float32_matmul_precision}. With RANK and WORLD_SIZE set it is one rank of a job over Gloo, which
shares a step as the configuration's `strategy` says (strategies.py); all ranks are given the same commands.

On a GPU the batches lie there before the first step, a step's time ends when the device has done it, and f32 products have PyTorch's
default precision (`about` says which).
"""

import gc
import json
import os
import sys
import time

import torch

import gpt
import strategies

config = json.load(open(sys.argv[1]))
rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
torch.set_num_threads(config["threads"])
device = torch.device(config["device"])
on_gpu = device.type == "cuda"
context = config["model"]["context"]
microbatch = min(config["microbatch"], config["sequences"] // ranks)

model = gpt.GPT(**config["model"])
gpt.load(model, config["parameters"])
model.to(device)
if ranks > 1:
    torch.distributed.init_process_group("gloo")
autocast = lambda: torch.autocast(device.type, dtype=torch.bfloat16, enabled=config["compute"] == "bf16")
shared = strategies.strategy(model, config, autocast)
if config["compile"] is not None:
    shared.compile(config["compile"])
o = config["optimizer"]
optimizer = torch.optim.AdamW(
    [
        {"params": [w for w in shared.weights if w.dim() >= 2], "weight_decay": o["weight_decay"]},
        {"params": [w for w in shared.weights if w.dim() < 2], "weight_decay": 0.0},
    ],
    betas=(o["beta1"], o["beta2"]),
    eps=o["eps"],
    fused=True,
)


def numbers(file, count):
    """[batches, 2 (tokens, labels), sequences, context], i32."""
    flat = torch.from_file(file, size=count * 2 * config["sequences"] * context, dtype=torch.int32)
    return flat.reshape(count, 2, config["sequences"], context).to(device)


batches = numbers(config["batches"]["file"], config["batches"]["count"])


def step(index):
    tokens, labels = shared.share(batches[index % len(batches)]).long()
    for group in optimizer.param_groups:
        group["lr"] = config["rates"][index % len(config["rates"])]
    optimizer.zero_grad(set_to_none=True)
    if config["compile"] == "max-autotune":
        torch.compiler.cudagraph_mark_step_begin()
    loss = shared.run(tokens, labels)
    norm = shared.clip(o["clip"])
    optimizer.step()
    return loss, norm.item()


@torch.no_grad()
def validate():
    given = numbers(config["validation"]["file"], config["validation"]["count"]).long()
    losses = []
    for batch in given:
        for first in range(0, config["sequences"], microbatch):
            with autocast():
                losses.append(model(*batch[:, first : first + microbatch]).item())
    return sum(losses) / len(losses)


def now():
    if on_gpu:
        torch.cuda.synchronize(device)
    return time.perf_counter()


def memory():
    if on_gpu:
        return {
            "peak_bytes": torch.cuda.max_memory_reserved(device),
            "allocated_bytes": torch.cuda.max_memory_allocated(device),
        }
    with open("/proc/self/status") as status:
        peak = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return {"peak_bytes": peak, "allocated_bytes": None}


def forget_warm_up():
    """What compilation tried out on the GPU is no part of a step's memory."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)


done = 0
for line in sys.stdin:
    command, *arguments = line.split()
    if command == "run":
        seconds, cpu_seconds, results = [], [], []
        for _ in range(int(arguments[0])):
            start, cpu_start = now(), time.process_time()
            loss, norm = step(done)
            seconds.append(now() - start)
            cpu_seconds.append(time.process_time() - cpu_start)
            results.append((shared.mean_loss(loss), norm))
            done += 1
        if on_gpu and done == len(results):
            forget_warm_up()
        losses, norms = zip(*results)
        answer = {"seconds": seconds, "cpu_seconds": cpu_seconds, "losses": losses, "gradient_norms": norms}
    elif command == "validate":
        answer = {"loss": validate()}
    elif command == "memory":
        answer = memory()
    else:
        precision = torch.get_float32_matmul_precision()
        answer = {"torch": torch.__version__, "cuda": torch.version.cuda, "float32_matmul_precision": precision}
    print(json.dumps(answer), flush=True)
if ranks > 1:
    torch.distributed.destroy_process_group()
