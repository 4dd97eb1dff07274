/** What a rank did in a step, from the engine's trace and its list of launches alone: nothing here knows the program. */
import type {
  CollectiveLaunch,
  LaunchList,
  NativeLaunch,
  PointToPointLaunch,
} from '../../src/engine/native/loaded_program.js';
import { dtypeBytes } from '../../src/ir/dtype.js';
import { noExchanges, type ExchangedByKind, type ExchangeKind, type Shares } from './account.js';

/** A step of a rank, as its engine traced it. */
export interface TracedStep {
  /** Start, end and arrival of each launch, in seconds from the step's begin. */
  readonly trace: Float64Array;
  readonly seconds: number;
}

export interface TracedExchanges {
  readonly exchanged: ExchangedByKind;
  /** Collectives and messages received. */
  readonly synchronisations: number;
}

/** What arrived: communication that the engine began and saw complete. */
export function exchangesOfTrace({ launches, groups }: LaunchList, trace: Float64Array, rank: number): TracedExchanges {
  const exchanged = noExchanges();
  let synchronisations = 0;
  launches.forEach((launch, i) => {
    if (!isCommunication(launch) || Number.isNaN(trace[3 * i + 2])) return;
    const add = (kind: ExchangeKind, bytes: number) => {
      exchanged[kind].calls++;
      exchanged[kind].bytes += bytes;
    };
    if (launch.kind !== 'send') synchronisations++;
    if (launch.kind === 'send') add('send', bytesOf(launch.view));
    if (launch.kind !== 'collective') return;
    const { ranks } = groups.find(({ id }) => id === launch.group)!;
    add(launch.collective as ExchangeKind, sentBytes(launch, ranks.length, ranks.indexOf(rank)));
  });
  return { exchanged, synchronisations };
}

/** What the thread that computes did with its time: communication costs it what it takes to begin, and what it waits. */
export function sharesOfTrace({ launches }: LaunchList, { trace, seconds }: TracedStep): Shares {
  let [computing, forMessages, forCollectives] = [0, 0, 0];
  const events = new Map<number, NativeLaunch>();
  launches.forEach((launch, i) => {
    const took = trace[3 * i + 1] - trace[3 * i];
    if (launch.kind === 'kernel' || launch.kind === 'copy') computing += took;
    if (isCommunication(launch)) events.set(launch.event, launch);
    const about = launch.kind === 'wait' ? events.get(launch.event) : launch;
    if (about?.kind === 'collective') forCollectives += took;
    else if (about && isCommunication(about)) forMessages += took;
  });
  return { utilisation: computing / seconds, bubble: forMessages / seconds, exposed: forCollectives / seconds };
}

const isCommunication = (launch: NativeLaunch): launch is CollectiveLaunch | PointToPointLaunch =>
  launch.kind === 'collective' || launch.kind === 'send' || launch.kind === 'recv';

/** By a ring: each element of an all-reduce leaves a rank twice, but for the part that it ends with. */
function sentBytes({ collective, input, inputCounts }: CollectiveLaunch, members: number, own: number): number {
  const size = dtypeBytes[input.dtype];
  switch (collective) {
    case 'all_reduce':
      return (2 * (members - 1) * bytesOf(input)) / members;
    case 'all_gather':
      return (members - 1) * bytesOf(input);
    case 'permute':
      return bytesOf(input);
    case 'broadcast':
      throw new Error('no program has a broadcast');
    default:
      return inputCounts
        ? size * inputCounts.reduce((sum, count, member) => sum + (member === own ? 0 : count), 0)
        : ((members - 1) * bytesOf(input)) / members;
  }
}

const bytesOf = ({ dtype, sizes }: { readonly dtype: keyof typeof dtypeBytes; readonly sizes: readonly number[] }) =>
  sizes.reduce((n, size) => n * size, dtypeBytes[dtype]);
