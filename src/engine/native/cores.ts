/** How many cores this process may use: those it may run on, and of a container no more than its share of time. */
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';

/** Where the system tells of control groups, and which of them this process is in. */
export interface ControlGroups {
  /** `/sys/fs/cgroup` */
  readonly mount: string;
  /** `/proc/self/cgroup` */
  readonly own: string;
}

const system: ControlGroups = { mount: '/sys/fs/cgroup', own: '/proc/self/cgroup' };

/** At least 1. A share that is no whole number is rounded down: a thread more would wait for its turn in every period. */
export function cores(available: number = os.availableParallelism(), groups: ControlGroups = system): number {
  return Math.max(1, Math.floor(Math.min(available, timeShare(groups) + 1e-9)));
}

/** Cores' worth of time that this process's control group and those above it allow; Infinity where nothing limits it. */
function timeShare({ mount, own }: ControlGroups): number {
  const lines = read(own)?.split('\n') ?? [];
  return Math.min(
    Infinity,
    ...lines.flatMap((line) => {
      // `0::/path` of version 2, `1:cpu,cpuacct:/path` of version 1.
      const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      if (path === undefined) return [];
      if (controllers === '') return sharesAlong(mount, path, ofVersion2);
      if (!controllers.split(',').includes('cpu')) return [];
      return ['cpu', controllers].flatMap((name) => sharesAlong(join(mount, name), path, ofVersion1));
    }),
  );
}

/** Of a group and all those above it. In a container the path may be the host's: then the mount itself is the group. */
function sharesAlong(mount: string, path: string, shareOf: (folder: string) => number | null): number[] {
  const shares: number[] = [];
  for (let at = path; ; at = dirname(at)) {
    const share = shareOf(join(mount, at));
    if (share !== null) shares.push(share);
    if (at === dirname(at)) return shares;
  }
}

function ofVersion2(folder: string): number | null {
  const [quota, period] = read(join(folder, 'cpu.max'))?.split(/\s+/) ?? [];
  return shareOf(quota, period);
}

const ofVersion1 = (folder: string): number | null =>
  shareOf(read(join(folder, 'cpu.cfs_quota_us')), read(join(folder, 'cpu.cfs_period_us')));

/** Microseconds of each period; `max` or −1: all. */
function shareOf(quota: string | null | undefined, period: string | null | undefined): number | null {
  const share = Number(quota) / Number(period);
  return quota && period && Number.isFinite(share) && share > 0 ? share : null;
}

function read(file: string): string | null {
  try {
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : null;
  } catch {
    return null;
  }
}
