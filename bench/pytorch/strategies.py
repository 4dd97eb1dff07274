"""How the ranks of bench/pytorch/contestant.py share a step: each as PyTorch's own documentation has it.

A strategy has the parameters that this rank updates (`weights`), does forward and backward of a global batch (`run`, which gives the mean
loss of what the rank has seen), and clips (`clip`, which gives the norm of all gradients). `mean_loss` is that of the whole batch: it
communicates, and belongs outside of what is timed.
"""

import contextlib

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_, clip_grads_with_norm_, get_total_norm

import gpt


class OneProcess:
    """The whole batch at once: accumulating over microbatches would only cost it time."""

    def __init__(self, model, config, autocast):
        self.model = self.trained = model
        self.config, self.autocast = config, autocast
        self.weights = list(model.parameters())

    def compile(self, mode):
        self.trained = torch.compile(self.trained, mode=mode)

    def share(self, rows):
        return rows

    def run(self, tokens, labels):
        with self.autocast():
            loss = self.trained(tokens, labels)
        loss.backward()
        return loss.detach()

    def clip(self, most):
        return clip_grad_norm_(self.weights, most)

    def mean_loss(self, loss):
        return loss.item()


class AcrossBatch(OneProcess):
    """Each rank has an equal part of the sequences."""

    def share(self, rows):
        each = rows.shape[1] // dist.get_world_size()
        return rows[:, dist.get_rank() * each :][:, :each]

    def mean_loss(self, loss):
        dist.all_reduce(loss)
        return loss.item() / dist.get_world_size()


class DistributedDataParallel(AcrossBatch):
    def __init__(self, model, config, autocast):
        super().__init__(model, config, autocast)
        self.trained = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)


class FullyShard(AcrossBatch):
    """FSDP2: blocks are gathered in the compute type, one by one and again in the backward, gradients reduced in f32."""

    def __init__(self, model, config, autocast):
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        bf16 = config["compute"] == "bf16"
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32) if bf16 else MixedPrecisionPolicy()
        mesh = dist.init_device_mesh("cpu", (dist.get_world_size(),))
        for block in model.blocks:
            fully_shard(block, mesh=mesh, mp_policy=policy)
        fully_shard(model, mesh=mesh, mp_policy=policy)
        # Gloo knows no averages.
        model.set_force_sum_reduction_for_comms(True)
        super().__init__(model, config, contextlib.nullcontext)

    def clip(self, most):
        return clip_grad_norm_(self.weights, most).full_tensor()


class SplitAttention(nn.Module):
    """Attention with a projection each for queries, keys and values, which tensor parallelism splits by heads."""

    def __init__(self, whole):
        super().__init__()
        dim = whole.qkv.in_features
        self.head_dim = dim // whole.heads
        for name, weight, bias in zip("qkv", whole.qkv.weight.chunk(3), whole.qkv.bias.chunk(3)):
            part = nn.Linear(dim, dim)
            with torch.no_grad():
                part.weight.copy_(weight)
                part.bias.copy_(bias)
            setattr(self, name, part)
        self.output = whole.output

    def forward(self, x):
        q, k, v = (project(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for project in (self.q, self.k, self.v))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(a.transpose(1, 2).flatten(-2))


class TensorParallel(OneProcess):
    """DTensor's tensor parallelism with sequence parallelism, the vocabulary split too: torchtitan's plan, for GPT."""

    def __init__(self, model, config, autocast):
        from torch.distributed.tensor import Replicate, Shard, distribute_tensor
        from torch.distributed.tensor.parallel import (
            ColwiseParallel,
            PrepareModuleInput,
            RowwiseParallel,
            SequenceParallel,
            loss_parallel,
            parallelize_module,
        )

        self.loss_parallel = loss_parallel
        mesh = dist.init_device_mesh("cpu", (dist.get_world_size(),))
        gathered = lambda: PrepareModuleInput(input_layouts=Shard(1), desired_input_layouts=Replicate())
        for block in model.blocks:
            block.attention = SplitAttention(block.attention)
            plan = {
                "norm1": SequenceParallel(),
                "attention": gathered(),
                **{f"attention.{name}": ColwiseParallel() for name in "qkv"},
                "attention.output": RowwiseParallel(output_layouts=Shard(1)),
                "norm2": SequenceParallel(),
                "mlp": gathered(),
                "mlp.up": ColwiseParallel(),
                "mlp.down": RowwiseParallel(output_layouts=Shard(1)),
            }
            parallelize_module(block, mesh, plan)
        model.head = nn.Linear(config["model"]["dim"], config["model"]["vocab"], bias=False)
        plan = {
            "embedding": RowwiseParallel(input_layouts=Replicate(), output_layouts=Shard(1)),
            "norm": SequenceParallel(),
            "head": ColwiseParallel(input_layouts=Shard(1), output_layouts=Shard(-1), use_local_output=False),
        }
        parallelize_module(model, mesh, plan)
        model.head.weight = model.embedding.weight
        model.positions.weight = nn.Parameter(distribute_tensor(model.positions.weight.detach(), mesh, [Shard(0)]))
        super().__init__(model, config, autocast)

    def run(self, tokens, labels):
        model = self.model
        with self.loss_parallel():
            with self.autocast():
                x = model.embedding(tokens) + model.positions.weight.to_local()
                for block in model.blocks:
                    x = block(x)
                logits = model.head(model.norm(x))
                loss = F.cross_entropy(logits.float().flatten(0, -2), labels.flatten())
            loss.backward()
        return loss.full_tensor().detach()

    def clip(self, most):
        return clip_grad_norm_(self.weights, most).full_tensor()


class Stage(nn.Module):
    """A part of the layers; the first embeds, the last has a copy of the embedding as its head."""

    def __init__(self, model, rank, ranks, autocast):
        super().__init__()
        layers = len(model.blocks)
        self.blocks = nn.ModuleList(model.blocks[rank * layers // ranks : (rank + 1) * layers // ranks])
        self.first, self.last = rank == 0, rank == ranks - 1
        if self.first:
            self.positions = model.positions
        if self.last:
            self.norm = model.norm
        if self.first or self.last:
            self.embedding = model.embedding
        self.autocast = autocast

    def forward(self, x):
        with self.autocast():
            if self.first:
                x = self.embedding(x) + self.positions.weight
            for block in self.blocks:
                x = block(x)
            return F.linear(self.norm(x), self.embedding.weight) if self.last else x


class Pipeline(OneProcess):
    """torch.distributed.pipelining's 1F1B."""

    def __init__(self, model, config, autocast):
        from torch.distributed.pipelining import PipelineStage, Schedule1F1B

        rank, ranks = dist.get_rank(), dist.get_world_size()
        module = Stage(model, rank, ranks, autocast)
        super().__init__(module, config, autocast)
        stage = PipelineStage(module, rank, ranks, torch.device("cpu"))
        loss = lambda logits, labels: F.cross_entropy(logits.float().flatten(0, -2), labels.flatten())
        self.schedule = Schedule1F1B(stage, config["sequences"] // config["microbatch"], loss_fn=loss)
        # The copy of the last stage counts in the first.
        self.counted = [w for w in self.weights if not (module.last and not module.first and w is module.embedding.weight)]

    def run(self, tokens, labels):
        losses = []
        if self.model.last:
            self.schedule.step(target=labels, losses=losses)
        else:
            self.schedule.step(tokens)
        dist.all_reduce(self.model.embedding.weight.grad)
        return torch.stack(losses).mean().detach() if losses else torch.zeros(())

    def clip(self, most):
        squares = get_total_norm([w.grad for w in self.counted]) ** 2
        dist.all_reduce(squares)
        norm = squares.sqrt()
        clip_grads_with_norm_(self.weights, most, norm)
        return norm

    def mean_loss(self, loss):
        dist.all_reduce(loss)
        return loss.item()


# As torch 2.13 calls them, and torch 2.11 does.
all_gather = getattr(dist, "all_gather_single", dist.all_gather_into_tensor)
reduce_scatter = getattr(dist, "reduce_scatter_single", dist.reduce_scatter_tensor)


class GatherSequence(torch.autograd.Function):
    """Blocks of a sequence, one a rank, along the last dimension but one; the gradients of each are summed."""

    @staticmethod
    def forward(context, block):
        ranks = dist.get_world_size()
        blocks = block.new_empty(ranks * block.shape[0], *block.shape[1:])
        all_gather(blocks, block.contiguous())
        return torch.cat(blocks.chunk(ranks), dim=-2)

    @staticmethod
    def backward(context, gradient):
        parts = gradient.chunk(dist.get_world_size(), dim=-2)
        own = torch.empty(parts[0].shape, dtype=gradient.dtype)
        reduce_scatter(own, torch.cat(parts))
        return own


class AcrossSequence(nn.Module):
    """Attention of a run of queries to all keys and values before them, gathered."""

    def __init__(self, whole, context):
        super().__init__()
        self.heads, self.qkv, self.output = whole.heads, whole.qkv, whole.output
        rank, each = dist.get_rank(), context // dist.get_world_size()
        self.seen = (rank + 1) * each
        # The library's flash kernel takes a mask, or a triangle that begins with the first key.
        mask = torch.ones(each, self.seen, dtype=torch.bool).tril(rank * each)
        self.how = {"is_causal": True} if rank == 0 else {"attn_mask": mask}

    def forward(self, x):
        n, s, d = x.shape
        qkv = self.qkv(x).view(n, s, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        keys, values = GatherSequence.apply(qkv[1:])
        k, v = keys[..., : self.seen, :], values[..., : self.seen, :]
        a = F.scaled_dot_product_attention(qkv[0], k, v, **self.how)
        return self.output(a.transpose(1, 2).reshape(n, s, d))


class ContextParallel(OneProcess):
    """An all-gather of keys and values by hand: torch's own context parallelism has kernels for CUDA alone. Gradients by DDP."""

    def __init__(self, model, config, autocast):
        for block in model.blocks:
            block.attention = AcrossSequence(block.attention, config["model"]["context"])
        super().__init__(model, config, autocast)
        self.trained = nn.parallel.DistributedDataParallel(_RunOfTokens(model), gradient_as_bucket_view=True)

    def mean_loss(self, loss):
        dist.all_reduce(loss)
        return loss.item() / dist.get_world_size()


class _RunOfTokens(nn.Module):
    """The model, given whole sequences, on this rank's run of their tokens."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens, labels):
        each = tokens.shape[-1] // dist.get_world_size()
        own = slice(dist.get_rank() * each, (dist.get_rank() + 1) * each)
        return self.model(tokens[:, own], labels[:, own], self.model.positions.weight[own])


strategies = {
    "ddp": DistributedDataParallel,
    "fsdp2": FullyShard,
    "tensor": TensorParallel,
    "pipeline": Pipeline,
    "context": ContextParallel,
}


def strategy(model, config, autocast):
    if not dist.is_initialized():
        return OneProcess(model, config, autocast)
    return strategies[config["strategy"]](model, config, autocast)
