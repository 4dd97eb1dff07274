/**
 * What one class of ranks comes to in a step, from its text: how many bytes are alive at once, and what each lane does. It has no
 * addresses and no loops, which take most of a compiler's time.
 */
import { keptValues, liveMemory } from '../memory/assign_memory.js';
import type { PartitionCosts } from '../partition/costs.js';
import type { Lane, RankClass } from '../program/program.js';
import { instructionsOf } from '../program/unroll.js';
import type { ClassRequest } from './class_request.js';
import { priceOf, type InstructionPrice, type PricedText, type Prices } from './instruction_price.js';
import { writeClass } from './lower_class.js';

/** What one rank's lane does in a step: the sums of its instructions' prices. It is busy for `seconds`, whatever it waits for. */
export interface LaneQuote extends InstructionPrice {
  readonly lane: Lane;
  /** Instructions, waits and signals among them. */
  readonly launches: number;
}

export interface ClassQuote {
  /** As the compiled class is named. */
  readonly name: string;
  readonly group: number;
  readonly ranks: number;
  /** The most that is alive at once: no arena of the class is smaller. */
  readonly liveBytes: number;
  /** Of `liveBytes`, what is there for the whole step: parameters, optimizer state, scalars. */
  readonly persistentBytes: number;
  readonly lanes: readonly LaneQuote[];
}

export function quoteClass(request: ClassRequest, costs: PartitionCosts): ClassQuote {
  const written = writeClass(request);
  const { name, group, members, values, templates, schedule } = written;
  const memory = liveMemory(values, templates, schedule, keptValues(written), request.memory);
  const prices = { registry: request.registry, meshes: request.step.meshes, costs };
  return { name, group, ranks: members.length, ...memory, lanes: lanesOf(written, prices) };
}

type Text = PricedText &
  Pick<RankClass, 'templates'> & {
    readonly schedule: readonly { readonly template: string }[];
  };

/** Lanes in the order in which the templates first use them. A template is priced once, however often it runs. */
function lanesOf(text: Text, prices: Prices): readonly LaneQuote[] {
  const times = new Map<string, number>();
  for (const { template } of text.schedule) times.set(template, (times.get(template) ?? 0) + 1);
  const lanes = new Map<Lane, { launches: number; flops: number; wireBytes: number; seconds: number }>();
  for (const template of text.templates) {
    const runs = times.get(template.name) ?? 0;
    for (const instruction of instructionsOf(template)) {
      const { lane } = instruction;
      const sum = lanes.get(lane) ?? { launches: 0, flops: 0, wireBytes: 0, seconds: 0 };
      const { flops, wireBytes: bytes, seconds } = priceOf(instruction, text, prices);
      sum.launches += runs;
      sum.flops += runs * flops;
      sum.wireBytes += runs * bytes;
      sum.seconds += runs * seconds;
      lanes.set(lane, sum);
    }
  }
  return [...lanes].map(([lane, sums]) => ({ lane, ...sums }));
}
