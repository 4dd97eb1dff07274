/** Fields that contradict each other, with the nearest values that agree. */
import { counted } from '../ir/units.js';
import { familyNamed } from '../nn/models/families.js';
import { ranksTogether, sharedSizesOf } from '../plan/nearest_sizes.js';
import { optimizerConflicts } from '../optim/options.js';
import type { Conflict } from '../options/diagnostics.js';
import { multiplesNear } from '../options/multiples_near.js';
import type { TrainConfig } from './schema.js';

/** Contradictions of a configuration in which what follows from other fields is not filled in yet. */
export function conflictsOf(config: TrainConfig): readonly Conflict[] {
  const model = familyNamed(config.model.family)?.conflicts(config.model as never) ?? [];
  return [
    ...lengths(config),
    ...batches(config),
    ...model,
    ...vocabularies(config),
    ...engines(config),
    ...ranks(config),
    ...schedules(config),
  ];
}

function lengths({ steps, minutes, optimizer }: TrainConfig): readonly Conflict[] {
  const twice = {
    options: ['steps', 'minutes'],
    problem: `the run is to last ${steps} steps and ${minutes} minutes`,
    fix: 'give one of the two',
  };
  return [...(steps !== null && minutes !== null ? [twice] : []), ...optimizerConflicts(optimizer)];
}

function batches({ batch: { sequences, microbatch } }: TrainConfig): readonly Conflict[] {
  if (sequences % microbatch === 0) return [];
  const problem = `a batch of ${counted(sequences, 'sequence')} is not a whole number of microbatches of ${microbatch}`;
  const fix = `set batch.sequences to ${multiplesNear(sequences, microbatch).join(' or ')}`;
  return [{ options: ['batch.sequences', 'batch.microbatch'], problem, fix }];
}

function vocabularies({ model, data: { tokenizer } }: TrainConfig): readonly Conflict[] {
  if (model.vocab === null || tokenizer.file !== null || model.vocab >= tokenizer.vocab) return [];
  const problem = `the tokenizer may have ${tokenizer.vocab} tokens, and the embedding has ${model.vocab} rows`;
  // No tokenizer that is trained has fewer tokens than there are bytes, and one that separates.
  const fix =
    model.vocab < 257 ? 'set model.vocab to 257 or more, or to null' : `set data.tokenizer.vocab to ${model.vocab}`;
  return [{ options: ['model.vocab', 'data.tokenizer.vocab'], problem, fix }];
}

function engines({ engine, device }: TrainConfig): readonly Conflict[] {
  if (engine !== 'reference' || device !== 'cuda') return [];
  const problem = 'the reference engine computes in TypeScript, on no GPU';
  return [{ options: ['engine', 'device'], problem, fix: 'set engine to native or device to cpu' }];
}

function schedules({ plan }: TrainConfig): readonly Conflict[] {
  if (typeof plan === 'string') return [];
  const { pipeline_schedule: kind, pipeline_schedule_file: file } = plan;
  if (kind === null || file === null) return [];
  const options = ['plan.pipeline_schedule', 'plan.pipeline_schedule_file'];
  return [{ options, problem: `the schedule is to be ${kind}, and that of ${file}`, fix: 'give one of the two' }];
}

function ranks({ plan, ranks }: TrainConfig): readonly Conflict[] {
  if (typeof plan === 'string' || ranks === null) return [];
  const { data_parallel_size: replicas } = plan;
  const together = ranksTogether(sharedSizesOf(plan));
  if (replicas === null ? ranks % together === 0 : ranks === replicas * together) return [];
  const wanted = replicas === null ? `a multiple of ${together} ranks` : counted(replicas * together, 'rank');
  const nearby = replicas === null ? multiplesNear(ranks, together).join(' or ') : replicas * together;
  const problem = `the plan is for ${wanted}, and ranks is ${ranks}`;
  return [{ options: ['ranks', 'plan'], problem, fix: `set ranks to ${nearby}, or leave it out` }];
}
