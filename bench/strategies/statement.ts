/** What the compiled program of a plan says of a step, of the rank that has most of each, before anything runs. */
import { GPT } from '../../src/nn/models/gpt/gpt.js';
import { defaultCosts } from '../../src/partition/costs.js';
import { ops } from '../../src/ops/index.js';
import { meshesOf, type Plan } from '../../src/plan/plan.js';
import { priceOf, type Prices } from '../../src/lower/instruction_price.js';
import type { Instruction, Lane, RankClass } from '../../src/program/program.js';
import { unroll } from '../../src/program/unroll.js';
import { mostByKind } from '../../src/train/memory/by_kind.js';
import { optimizerOf } from '../contestant/config.js';
import { compileStep, type CompiledStep, type StepSetup } from '../native_step.js';
import { strategyBatch, strategyModel, type Strategy } from './cases.js';
import { exchanges, noExchanges, type ExchangedByKind, type ExchangeKind, type Shares } from './account.js';
import { clockProgram, type ClockedProgram, type ClockedSpan } from './clock.js';

export interface StrategyStatement {
  readonly ranks: number;
  /** Bytes a device: of each kind the most that is there at once. */
  readonly memory: {
    readonly parameters: number;
    readonly gathered: number;
    readonly gradients: number;
    readonly optimizer: number;
    readonly activations: number;
    readonly arena: number;
  };
  /** Of the rank that sends most. */
  readonly exchanged: ExchangedByKind;
  readonly sentBytes: number;
  /** Collectives, and messages received: where a rank waits for others. */
  readonly synchronisations: number;
  /** By the compiler's prices. */
  readonly shares: Shares;
  readonly clocked: ClockedProgram;
}

export const setupOf = ({ sizes }: Strategy): StepSetup => ({
  model: new GPT(strategyModel),
  optimizer: optimizerOf(100),
  sizes,
  batch: strategyBatch,
  compute: 'f32',
  runSteps: 100,
  seed: 1,
});

export function stateStrategy(strategy: Strategy): StrategyStatement {
  const { plan, compiled } = compileStep(setupOf(strategy), 'cpu');
  return stateProgram(plan, compiled);
}

export function stateProgram(plan: Plan, { program, placed }: CompiledStep['compiled']): StrategyStatement {
  const prices: Prices = { registry: ops, meshes: meshesOf(plan), costs: defaultCosts() };
  const classes = program.classes.map((rankClass) => {
    const exchanged = exchangedBy(rankClass, prices);
    return {
      exchanged,
      sentBytes: exchanges.reduce((sum, kind) => sum + exchanged[kind].bytes, 0),
      synchronisations: synchronisationsOf(rankClass),
      held: mostByKind(rankClass, placed.step),
      arena: rankClass.arenaBytes,
    };
  });
  const most = (of: (one: (typeof classes)[number]) => number) => Math.max(...classes.map(of));
  const clocked = clockProgram(program, (instruction, rankClass) => priceOf(instruction, rankClass, prices));
  const ranks = program.classes.reduce((sum, { members }) => sum + members.length, 0);
  return {
    ranks,
    memory: {
      parameters: most(({ held }) => held.parameters),
      gathered: most(({ held }) => held['gathered or cast parameters']),
      gradients: most(({ held }) => held['gradients of parameters']),
      optimizer: most(({ held }) => held['optimizer state']),
      activations: most(({ held }) => held['activations and their gradients']),
      arena: most(({ arena }) => arena),
    },
    exchanged: classes.reduce((a, b) => (b.sentBytes > a.sentBytes ? b : a)).exchanged,
    sentBytes: most(({ sentBytes }) => sentBytes),
    synchronisations: most(({ synchronisations }) => synchronisations),
    shares: sharesOf(clocked, ranks),
    clocked,
  };
}

/** Counted in the text as it is written out. */
function exchangedBy(rankClass: RankClass, prices: Prices): ExchangedByKind {
  const sums = noExchanges();
  for (const { instruction } of unroll(rankClass)) {
    const kind = exchangeOf(instruction);
    if (kind === null) continue;
    sums[kind].calls++;
    sums[kind].bytes += priceOf(instruction, rankClass, prices).wireBytes;
  }
  return sums;
}

function exchangeOf(instruction: Instruction): ExchangeKind | null {
  if (instruction.kind === 'send') return 'send';
  return instruction.kind === 'collective' ? (instruction.move.kind as ExchangeKind) : null;
}

/** Of the member that has most. */
function synchronisationsOf(rankClass: RankClass): number {
  const counts = rankClass.members.map(() => 0);
  for (const { instruction } of unroll(rankClass)) {
    if (instruction.kind === 'collective') counts.forEach((_, member) => counts[member]++);
    if (instruction.kind === 'receive') instruction.peers.forEach((peer, member) => peer !== null && counts[member]++);
  }
  return Math.max(...counts);
}

function sharesOf({ seconds, spans }: ClockedProgram, ranks: number): Shares {
  const of = (is: (span: ClockedSpan) => boolean) =>
    spans.filter(is).reduce((sum, { begin, end }) => sum + end - begin, 0) / (ranks * seconds);
  const utilisation = of(({ what }) => what === 'compute');
  const exposed = of(({ what, lane }) => what === 'wait' && isCollective(lane));
  // A rank computes, waits for a collective, or for another group: also once it is done.
  return { utilisation, exposed, bubble: 1 - utilisation - exposed };
}

const isCollective = (lane: Lane): boolean => lane.startsWith('group:');
