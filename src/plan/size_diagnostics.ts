/** Sizes that cannot be had, with the nearest that can. */
import { defineDiagnostic } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';
import { planContradiction } from './diagnostics.js';
import type { NearDataSizes } from './near_data_sizes.js';
import { ranksTogether, type SharedSizes } from './nearest_sizes.js';

export const worldSizeMismatch = defineDiagnostic(
  'plan/world-size-mismatch',
  (p: SharedSizes & { data: number; ranks: number; nearest: string; isLegal: boolean }) => {
    const wanted = counted(p.data * ranksTogether(p), 'rank');
    const context = p.context > 1 ? ` × context ${p.context}` : '';
    return {
      what: `the plan needs ${wanted} (data ${p.data}${context} × tensor ${p.tensor} × pipeline ${p.pipeline}), and there are ${p.ranks}`,
      where: [{ at: 'config, plan' }, { at: 'WORLD_SIZE or --ranks', note: `${p.ranks}` }],
      fix: `${p.isLegal ? `start ${wanted}, or ` : ''}on ${counted(p.ranks, 'rank')} the nearest legal plan is ${p.nearest}`,
    };
  },
);

export const tooManyContextRanks = defineDiagnostic(
  'plan/too-many-context-ranks',
  (p: { context: number; positions: number; nearest: string }) => ({
    what: `context_parallel_size ${p.context} is more than a sequence's ${counted(p.positions, 'token')}`,
    why: 'a rank would hold no part of a sequence',
    where: [{ at: 'config, plan.context_parallel_size' }, { at: 'config, model.context', note: `${p.positions}` }],
    fix: `the nearest legal plan is ${p.nearest} (sizes that do not divide the sequence are legal: parts are then uneven)`,
  }),
);

export const tooFewHeads = defineDiagnostic(
  'plan/too-few-heads',
  (p: {
    tensor: number;
    context: number;
    factor: string | null;
    size: number;
    /** Ranks that could share a sequence so. */
    most: number;
    model: string;
    nearest: string;
  }) => ({
    what: `context_parallel_method ulysses on ${p.tensor * p.context} ranks, and the model ${p.model} has ${p.factor === null ? 'no factor heads or kv_group' : `${p.size} ${headsNamed[p.factor]}`}`,
    why: 'attention is split by heads over the ranks of context_parallel_size × tensor_parallel_size: some would have none',
    where: [
      { at: 'config, plan.context_parallel_method' },
      { at: 'config, plan.context_parallel_size', note: `${p.context}` },
    ],
    fix: `set plan.context_parallel_method to ${p.most > 1 ? 'ulysses+ring, ' : ''}ring or allgather${p.most > 1 ? `; by ulysses the nearest legal plan is ${p.nearest}` : ''}`,
  }),
);

/** Factors by which attention is split, as people name them. */
const headsNamed: Readonly<Record<string, string>> = { heads: 'heads', kv_group: 'key/value heads' };

export const tooManySequenceRanks = defineDiagnostic(
  'plan/too-many-sequence-ranks',
  (p: { tensor: number; context: number; positions: number }) => ({
    what:
      p.context > 1
        ? `context_parallel_size ${p.context} × tensor_parallel_size ${p.tensor} ranks share a sequence of ${counted(p.positions, 'token')}`
        : `tensor_parallel_size ${p.tensor} ranks share a sequence of ${counted(p.positions, 'token')}`,
    why: 'with sequence_parallel each of them needs a part of it',
    where: [{ at: 'config, plan.sequence_parallel' }, { at: 'config, model.context', note: `${p.positions}` }],
    fix: 'leave sequence_parallel out, or give longer sequences or fewer ranks',
  }),
);

/** How ranks share sequences is said of ranks that share none. */
export const contextForNothing = ({ field, value }: { field: string; value: string }) =>
  planContradiction({
    file: 'the configuration',
    field: `plan.${field}`,
    problem: `${field} is ${value}, and that says nothing`,
    why: 'context_parallel_size is 1: no ranks share a sequence',
    fix: `remove it (of a run that goes on: --set plan.${field}=null), or set context_parallel_size to 2 or more`,
  });

/** Positions are said to be shared in a way that heads are shared instead. */
export const balancedByHeads = ({ balancer }: { balancer: string }) =>
  planContradiction({
    file: 'the configuration',
    field: 'plan.context_parallel_load_balancer',
    problem: `context_parallel_load_balancer is ${balancer}, and that says nothing by ulysses`,
    why: 'each rank attends for its heads to all positions: all have equally much to do',
    fix: 'remove it (of a run that goes on: --set plan.context_parallel_load_balancer=null), or set context_parallel_method to allgather or ring',
    places: [{ at: 'config, plan.context_parallel_method' }],
  });

/** Ranks that divide no layer are to divide the rest. */
export const sequenceParallelForNothing = () =>
  planContradiction({
    file: 'the configuration',
    field: 'plan.sequence_parallel',
    problem: 'sequence_parallel is true, and that says nothing',
    why: 'tensor_parallel_size is 1: there are no ranks to share the sequence of norms, dropout and residual sums',
    fix: 'set it to false, or set tensor_parallel_size to 2 or more',
  });

export const tooManyTensorRanks = defineDiagnostic(
  'plan/too-many-tensor-ranks',
  (p: { tensor: number; factor: string; size: number; nearest: string }) => ({
    what: `tensor_parallel_size ${p.tensor} is more than the model's ${p.size} ${p.factor}`,
    why: 'a rank would hold no part of the layer',
    where: [{ at: 'config, plan.tensor_parallel_size' }],
    fix: `the nearest legal plan is ${p.nearest} (sizes that do not divide ${p.factor} are legal: parts are then uneven)`,
  }),
);

export const nothingForTensorRanks = defineDiagnostic(
  'plan/nothing-for-tensor-ranks',
  (p: { tensor: number; model: string; data: number }) => ({
    what: `tensor_parallel_size ${p.tensor} has nothing to split in the model ${p.model}`,
    why: 'its parameters have none of the factors heads, kv_group, hidden, vocab and experts: every rank would do the same work',
    where: [{ at: 'config, plan.tensor_parallel_size' }],
    fix: `the nearest legal plan is tensor_parallel_size 1, data_parallel_size ${p.data * p.tensor}; a plan file can split other factors`,
  }),
);

export const batchDoesNotDivide = defineDiagnostic(
  'plan/batch-does-not-divide',
  (p: { sequences: number; microbatch: number }) => ({
    what: `a batch of ${counted(p.sequences, 'sequence')} does not divide into logical microbatches of ${p.microbatch}`,
    where: [{ at: 'config, batch.sequences' }, { at: 'config, batch.microbatch' }],
    fix: `use a multiple: ${Math.max(1, Math.round(p.sequences / p.microbatch)) * p.microbatch} sequences`,
  }),
);

export const nothingForExpertRanks = defineDiagnostic(
  'plan/nothing-for-expert-ranks',
  (p: { ranks: number; model: string }) => ({
    what: `expert_parallel_size ${p.ranks} has nothing to split in the model ${p.model}`,
    why: 'its parameters have no factor experts',
    where: [{ at: 'config, plan.expert_parallel_size' }],
    fix: 'remove it, or train a mixture of experts, such as model.family mixtral',
  }),
);

export const tooManyExpertRanks = defineDiagnostic(
  'plan/too-many-expert-ranks',
  (p: { ranks: number; experts: number; most: number }) => ({
    what: `expert_parallel_size ${p.ranks} is more than the model's ${counted(p.experts, 'expert')}`,
    why: 'a rank would hold no expert',
    where: [{ at: 'config, plan.expert_parallel_size' }, { at: 'config, model.experts', note: `${p.experts}` }],
    fix: `${p.most > 1 ? `set it to ${p.most}` : 'remove it'} (sizes that do not divide the experts are legal: parts are then uneven)`,
  }),
);

export const nothingForExpertTensorRanks = defineDiagnostic(
  'plan/nothing-for-expert-tensor-ranks',
  (p: { ranks: number; model: string }) => ({
    what: `expert_tensor_parallel_size ${p.ranks} has nothing to split in the model ${p.model}`,
    why: 'its parameters have no factor experts',
    where: [{ at: 'config, plan.expert_tensor_parallel_size' }],
    fix: 'remove it, or train a mixture of experts, such as model.family mixtral',
  }),
);

export const noSuchExpertTensorSize = defineDiagnostic(
  'plan/no-such-expert-tensor-size',
  (p: { asked: number; ranks: number; data: number; experts: number; legal: readonly number[] }) => ({
    what: `expert_tensor_parallel_size is ${p.asked}, with tensor_parallel_size ${p.ranks}, expert_parallel_size ${p.data} and ${counted(p.experts, 'expert')}`,
    why: 'so many of the tensor-parallel ranks are to share each expert, and the others have experts of their own: it divides them, and each rank has an expert; or all of them and so many neighbours that share a sequence, and each has features of it',
    where: [
      { at: 'config, plan.expert_tensor_parallel_size' },
      { at: 'config, plan.tensor_parallel_size', note: `${p.ranks}` },
    ],
    fix:
      p.legal.length > 0
        ? `set it to ${p.legal.join(' or ')}`
        : 'set expert_parallel_size to less, and this to tensor_parallel_size',
  }),
);

export const expertsDoNotDivide = defineDiagnostic(
  'plan/experts-do-not-divide',
  (p: {
    ranks: number;
    of: 'data_parallel_size' | 'shard_size';
    size: number;
    /** Ranks that share a sequence. */
    context: number;
    near: NearDataSizes;
  }) => ({
    what:
      p.of === 'data_parallel_size'
        ? `expert_parallel_size ${p.ranks} does not divide the ${p.size} data-parallel ranks${p.context > 1 ? `, nor is it these times some of the ${p.context} that share a sequence` : ''}`
        : `of expert_parallel_size ${p.ranks} and shard_size ${p.size} neither divides the other`,
    why: 'ranks that share experts are neighbours among the data-parallel ranks, or all of these and neighbours that share sequences; shards of parameters are such neighbours too',
    where: [{ at: 'config, plan.expert_parallel_size' }, { at: `config, plan.${p.of}`, note: `${p.size}` }],
    fix: listed([
      setOrRemove(p.near.experts),
      p.of === 'data_parallel_size'
        ? otherDataRanks(p.near)
        : p.near.shards.length > 0 && `set shard_size to ${p.near.shards.join(' or ')}`,
    ]),
  }),
);

export const shardSizeDoesNotDivide = defineDiagnostic(
  'plan/shard-size-does-not-divide',
  (p: { shard: number; data: number; near: NearDataSizes }) => ({
    what: `shard_size ${p.shard} does not divide the ${p.data} data-parallel ranks`,
    why: 'each replica is the same number of shards',
    where: [{ at: 'config, plan.shard_size' }, { at: 'config, plan.data_parallel_size' }],
    fix: listed([setOrRemove(p.near.shards), otherDataRanks(p.near)]),
  }),
);

/** How many ranks share what is split is said of a plan that splits nothing. */
export const shardsWithoutZero = ({ shard }: { shard: number }) =>
  planContradiction({
    file: 'the configuration',
    field: 'plan.shard_size',
    problem: `shard_size is ${shard}, and ZeRO's stage is 0`,
    why: 'at stage 0 every rank keeps all that belongs to its parameters',
    fix: 'remove it, or set zero_stage to 1, 2 or 3',
  });

/** Shards that are each whole. */
export const shardsOfOneRank = ({ data, near }: { data: number; near: readonly number[] }) =>
  planContradiction({
    file: 'the configuration',
    field: 'plan.shard_size',
    problem: 'shard_size is 1, and ZeRO is to split among so many ranks: that says nothing',
    why: 'a shard of one rank is all that belongs to its parameters',
    fix: listed([
      near.length > 0 && `set it to ${near.join(' or ')}`,
      `remove it${data > 1 ? ' and set zero_stage to 0' : ''}`,
    ]),
  });

export const tooManyStages = defineDiagnostic(
  'plan/too-many-stages',
  (p: { pipeline: number; virtualStages: number; segments: number; nearest: string }) => ({
    what:
      p.virtualStages === 1
        ? `pipeline_parallel_size ${p.pipeline} is more than the model's ${counted(p.segments, 'segment')}`
        : `pipeline_parallel_size ${p.pipeline} × virtual_stages ${p.virtualStages} is more than the model's ${counted(p.segments, 'segment')}`,
    why: 'a chunk would have nothing to compute',
    where: [
      { at: 'config, plan.pipeline_parallel_size' },
      ...(p.virtualStages === 1 ? [] : [{ at: 'config, plan.virtual_stages' }]),
    ],
    fix: `the nearest legal plan is ${p.nearest}`,
  }),
);

export const stageLayersDiffer = defineDiagnostic(
  'plan/stage-layers-differ',
  (p: { given: readonly number[]; chunks: number; layers: number; empty: number }) => {
    const total = p.given.reduce((sum, count) => sum + count, 0);
    // Of more chunks than layers the first has the embedding alone, or the last the head.
    const ends = p.chunks > p.layers ? 1 : 0;
    const cut = (i: number) => Math.floor((i * (p.layers + 2 * ends)) / p.chunks);
    const even = Array.from(
      { length: p.chunks },
      (_, i) => cut(i + 1) - cut(i) - (i === 0 || i === p.chunks - 1 ? ends : 0),
    );
    return {
      what:
        p.given.length !== p.chunks
          ? `stage_layers is of length ${p.given.length}, and the pipeline has ${counted(p.chunks, 'chunk')}`
          : total !== p.layers
            ? `stage_layers ${JSON.stringify(p.given)} are ${counted(total, 'layer')}, and the model has ${p.layers}`
            : `stage_layers ${JSON.stringify(p.given)} leave chunk ${p.empty} nothing to compute: neither the embedding nor the head is in it`,
      where: [{ at: 'config, plan.stage_layers' }],
      fix: `write one entry a chunk that add up to ${p.layers}; even ones are ${JSON.stringify(even)}`,
    };
  },
);

const setOrRemove = (near: readonly number[]): string =>
  near.length > 0 ? `set it to ${near.join(' or ')}` : 'remove it';

/** Where ranks are given, others are to be started besides. */
function otherDataRanks({ data, more: { ranksAreGiven, together } }: NearDataSizes): string | false {
  if (data.length === 0) return false;
  const sizes = `data_parallel_size ${ranksAreGiven ? '' : 'to '}${data.join(' or ')}`;
  return ranksAreGiven ? `start ${data.map((n) => n * together).join(' or ')} ranks, for ${sizes}` : `set ${sizes}`;
}

const listed = (fixes: readonly (string | false)[]): string => fixes.filter((fix) => fix !== false).join(', or ');
