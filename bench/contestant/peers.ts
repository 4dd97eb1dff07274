/** PyTorch as each comparison has it: which ways of running the same model, on which device, over how many ranks. */
import type { ContestantConfig } from './config.js';
import { bestMallocSettings, Contestant } from './process.js';

export interface Peer {
  readonly name: string;
  readonly start: () => Promise<Contestant>;
  /** Longest that its first steps may take. */
  readonly seconds: number;
}

export interface PeerOptions {
  readonly ranks: number;
  readonly folder: string;
  /** Whether peers that compile take part, and how long they may take to. */
  readonly compile: boolean;
  readonly compileSeconds: number;
}

/** In the order in which they are worth having. */
export function peersOf(config: ContestantConfig, options: PeerOptions): readonly Peer[] {
  const { ranks, folder, compile, compileSeconds } = options;
  const onCpu = config.device === 'cpu';
  const best = onCpu ? bestMallocSettings : {};
  const peer = (
    name: string,
    mode: ContestantConfig['compile'],
    seconds: number,
    env: Readonly<Record<string, string>> = best,
  ): Peer => ({
    name,
    start: () => Contestant.pytorch(name, { ...config, compile: mode }, ranks, folder, env),
    seconds,
  });
  if (ranks > 1) return [peer('PyTorch DDP', null, 300)];
  return [
    peer('PyTorch eager', null, 300),
    ...(onCpu ? [peer('PyTorch eager, default malloc', null, 300, {})] : []),
    ...(compile ? [peer('torch.compile', 'default', compileSeconds)] : []),
    ...(compile && !onCpu ? [peer('torch.compile, max-autotune', 'max-autotune', compileSeconds)] : []),
  ];
}
