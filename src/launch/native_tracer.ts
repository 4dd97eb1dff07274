/** What the native engine did in a few steps, launch by launch. */
import type { LoadedProgram } from '../engine/engine.js';
import type { NativeProgram } from '../engine/native/engine.js';
import type { NativeLaunch } from '../engine/native/loaded_program.js';
import type { StepTracer } from '../train/engine_host.js';
import type { TracedLaunch } from '../train/traced_launch.js';

export function nativeTracer(rank: number): StepTracer {
  const launches: TracedLaunch[] = [];
  let before = 0;
  return {
    async run(program: LoadedProgram) {
      const native = program as NativeProgram;
      const report = await native.run({ trace: true });
      native.launches.launches.forEach((launch, i) => {
        const [start, end, arrived] = report.trace!.subarray(3 * i, 3 * i + 3);
        launches.push(
          ...spansOf(launch, { rank, start: before + start, end: before + end, arrived: before + arrived }),
        );
      });
      before += report.seconds;
      return report;
    },
    launches,
  };
}

/** A launch as it lay on its lane. Communication has a lane of its own, from its start to when its data had arrived. */
function spansOf(
  launch: NativeLaunch,
  { rank, start, end, arrived }: { rank: number; start: number; end: number; arrived: number },
): readonly TracedLaunch[] {
  const span = { rank, startSeconds: start, kind: launch.kind };
  switch (launch.kind) {
    case 'signal':
      return [];
    case 'kernel':
      return [{ ...span, lane: 'compute', name: launch.kernel, seconds: end - start, details: { at: launch.at } }];
    case 'collective': {
      const seconds = (Number.isNaN(arrived) ? end : arrived) - start;
      return [{ ...span, lane: `group ${launch.group}`, name: launch.collective, seconds, details: { at: launch.at } }];
    }
    case 'send':
    case 'recv': {
      const seconds = (Number.isNaN(arrived) ? end : arrived) - start;
      return [
        { ...span, lane: launch.kind, name: `${launch.kind} ${launch.peer}`, seconds, details: { at: launch.at } },
      ];
    }
    default:
      return [{ ...span, lane: 'compute', name: launch.kind, seconds: end - start, details: { at: launch.at } }];
  }
}
