/**
 * Joins all-reduces whose operands lie one behind the other in a bucket: one call for a run of them.
 *
 * Communication may start later than its place in the list, up to its first wait. A run is launched where its last member stood; it ends
 * before a wait for one of its members, before another collective of its group, and where the next part is not the neighbour. All of
 * that is the same on every rank of the group, since buckets and launch lists are.
 */
import { dtypeBytes } from '../../ir/dtype.js';
import type { CollectiveLaunch, Launch, LoadedView } from './loaded_program.js';

/** The bucket that a launch's operands lie in, by position in the list; null for all others. */
export type BucketOf = (launch: number) => string | null;

export function coalesce(launches: readonly Launch[], bucketOf: BucketOf): readonly Launch[] {
  const open = new Map<number, Run>();
  const joined: (Launch | null)[] = [];
  const events = new Map<number, number>();
  const close = (group: number) => {
    const run = open.get(group);
    if (!run) return;
    open.delete(group);
    joined[run.at] = merged(run.members);
  };
  launches.forEach((launch, i) => {
    if (launch.kind === 'wait') {
      for (const [group, run] of open) if (run.members.some(({ event }) => event === launch.event)) close(group);
      joined.push({ ...launch, event: events.get(launch.event) ?? launch.event });
      return;
    }
    if (launch.kind !== 'collective') {
      joined.push(launch);
      return;
    }
    const bucket = bucketOf(i);
    const run = open.get(launch.group);
    if (run && (bucket === null || bucket !== run.bucket || !isNext(run.members, launch))) close(launch.group);
    events.delete(launch.event);
    const going = open.get(launch.group);
    joined.push(null);
    if (bucket === null) joined[joined.length - 1] = launch;
    else if (going) {
      going.members.push(launch);
      going.at = joined.length - 1;
    } else open.set(launch.group, { bucket, members: [launch], at: joined.length - 1 });
    const first = open.get(launch.group)?.members[0];
    if (first && first !== launch) events.set(launch.event, first.event);
  });
  for (const group of [...open.keys()]) close(group);
  return joined.filter((launch) => launch !== null);
}

interface Run {
  readonly bucket: string;
  readonly members: CollectiveLaunch[];
  /** Where its last member stands. */
  at: number;
}

const end = ({ offset, sizes }: LoadedView, bytes: number): number => offset + sizes[0] * bytes;

function isNext(members: readonly CollectiveLaunch[], launch: CollectiveLaunch): boolean {
  const last = members[members.length - 1];
  return last.reduction === launch.reduction && end(last.input, dtypeBytes[last.input.dtype]) === launch.input.offset;
}

function merged(members: readonly CollectiveLaunch[]): CollectiveLaunch {
  const [first] = members;
  if (members.length === 1) return first;
  const elements = members.reduce((n, { input }) => n + input.sizes[0], 0);
  const whole = (view: LoadedView): LoadedView => ({ ...view, sizes: [elements] });
  return {
    ...first,
    input: whole(first.input),
    output: whole(first.output),
    at: `${first.at} and ${members.length - 1} more`,
  };
}
