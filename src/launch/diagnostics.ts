import { defineDiagnostic, type DiagnosticText } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';
import type { ScriptCall } from './messages.js';
import { shellWord } from '../ir/shell.js';

export const launchVariableMissing = defineDiagnostic(
  'launch/variable-missing',
  (p: { name: string; because: string }) => ({
    what: `the launcher did not set ${p.name}`,
    why: p.because,
    fix: `start with \`flotilla train\` or torchrun, which set it, or set ${p.name} yourself; unset RANK to start a new job from here`,
  }),
);

export const launchVariableBad = defineDiagnostic(
  'launch/variable-bad',
  (p: { name: string; value: string; expected: string }) => ({
    what: `${p.name} is '${p.value}' and should be ${p.expected}`,
    fix: 'start with `flotilla train` or torchrun, which set it, or correct the variable',
  }),
);

export const portTaken = defineDiagnostic('launch/port-taken', (p: { address: string; port: number }) => ({
  what: `port ${p.port} is taken`,
  why: 'rank 0 would serve the rendezvous store there',
  where: [{ at: `${p.address}:${p.port}` }],
  fix: 'choose another port, or none: a free one is then found',
}));

export const commandNotStarted = defineDiagnostic(
  'launch/command-not-started',
  (p: { command: string; reason: string }) => ({
    what: `rank processes cannot be started: ${p.reason}`,
    where: [{ at: p.command }],
    fix: 'check that the command exists and may be executed, and that this machine allows more processes',
  }),
);

/** How far a job's ranks have come. */
export interface JobProgress {
  /** Whether they train: a signal then ends them only when they have saved. */
  readonly atWork: boolean;
  /** Whether the run has a checkpoint. */
  readonly saved: boolean;
  /** How the run goes on from here, in words. */
  readonly recovery: string;
}

export const jobInterrupted = defineDiagnostic(
  'launch/interrupted',
  ({ signal, ranks, atWork, saved, recovery }: { signal: string; ranks: number } & JobProgress) => ({
    what: saved
      ? `stopped by ${signal}`
      : atWork
        ? `stopped by ${signal} before anything was saved`
        : `stopped by ${signal} before the first step: nothing was trained`,
    why: `${ranks} rank ${ranks === 1 ? 'process was' : 'processes were'} ended with it`,
    fix: recovery,
  }),
);

export const rankSilent = defineDiagnostic(
  'launch/rank-silent',
  (p: { name: string; seconds: number; seen: 'running' | 'stopped' | 'gone' | 'unseen' }) => ({
    what: `${p.name} has not been heard of for ${p.seconds} s, and the others wait for it`,
    why:
      p.seen === 'stopped'
        ? 'it is stopped, by SIGSTOP or in a terminal'
        : 'it is stopped, or its machine is, or the network between',
    fix: 'let it go on (`kill -CONT`), or end the job: it goes on from its last checkpoint',
  }),
);

export const ranksAbsent = defineDiagnostic(
  'launch/ranks-absent',
  (p: { names: string; seconds: number; at: string }) => ({
    what: `${p.names} not come for ${p.seconds} s, and the others wait`,
    why: 'a job starts when every rank has come to its store',
    where: [{ at: p.at, note: 'the store' }],
    fix: 'see that it has been started and can reach that address; what it printed says why it has not',
  }),
);

export const rankLeft = defineDiagnostic(
  'launch/rank-left',
  (p: { name: string; rank: number; how: string; problem: string | null }) => ({
    what: `${p.name} has left the job: ${p.how}`,
    why: p.problem ?? 'the others would wait for it for ever',
    where: [{ at: `rank ${p.rank}` }],
    fix: 'what it printed says why; correct that and go on from the last checkpoint with `flotilla resume`',
  }),
);

/** How a rank ended, and what it said of itself. */
export interface RankFailure {
  readonly rank: number;
  /** `status 1`, `SIGKILL`. */
  readonly ending: string;
  /** The diagnostic that the rank left in its error file. */
  readonly diagnostic: (DiagnosticText & { readonly code: string }) | null;
  /** The message of its error where that was no diagnostic; null where it left none. */
  readonly message: string | null;
  /** What it printed last. */
  readonly lastLines: readonly string[];
  /** How the job goes on, in words. */
  readonly recovery: string;
}

export const rankFailed = defineDiagnostic('launch/rank-failed', (p: RankFailure): DiagnosticText => {
  const place = { at: `rank ${p.rank}`, note: `ended with ${p.ending}` };
  if (p.diagnostic) {
    const { code, what, why, where, fix } = p.diagnostic;
    return { what: `rank ${p.rank}: ${what} [${code}]`, why, where: [...(where ?? []), place], fix };
  }
  const killed = p.ending === 'SIGKILL';
  const said = p.lastLines.length > 0 ? `it last printed\n${p.lastLines.join('\n')}` : 'it printed nothing';
  return {
    what: p.message ? `rank ${p.rank} failed: ${p.message}` : `rank ${p.rank} ended with ${p.ending}`,
    why: p.message ? undefined : said,
    where: [place],
    fix: `${
      killed
        ? 'if nobody killed it, the system did, for want of memory: look at its log, and choose a smaller microbatch or model'
        : 'the other ranks were stopped: correct this error'
    }; ${p.recovery}`,
  };
});

export const messageBad = defineDiagnostic('launch/message-bad', (p: { from: string; problem: string }) => ({
  what: 'what the launcher tells this rank cannot be read',
  why: p.problem,
  where: [{ at: p.from }],
  fix: 'start all ranks from the same version of flotilla, and leave variables whose name begins with FLOTILLA_ to it',
}));

/** A call as messages name it. */
const callText = ({ number, kind }: ScriptCall): string => `its call ${number + 1}, of ${kind}()`;

export const stoppedBefore = defineDiagnostic(
  'launch/stopped-before',
  (p: { here: ScriptCall; stopped: ScriptCall; folder: string | null }) => ({
    what: `${p.here.kind}() is not started: a signal has stopped the script in ${callText(p.stopped)}`,
    why: `whoever sent the signal wants an end; a script that has more to do looks at \`interrupted\` of what ${p.stopped.kind}() gives`,
    where: [{ at: `call ${p.here.number + 1} of the script` }],
    fix: p.folder
      ? `go on with what was stopped, \`flotilla resume ${shellWord(p.folder)}\`, or start the script again`
      : 'start the script again when it suits',
  }),
);

export const aborted = defineDiagnostic('launch/aborted', (p: { rank: number | null; reason: string | null }) => ({
  what: `the call was aborted before its first step${p.rank === null ? '' : `, by the script of rank ${p.rank}`}: nothing was trained`,
  why: p.reason ?? 'the `signal` that it was given says so',
  fix: 'start again when it suits; once its first step has begun, an aborted call saves what it has and gives `interrupted`',
}));

export const notAbortSignal = defineDiagnostic('launch/not-a-signal', (p: { call: string; given: string }) => ({
  what: `${p.call}() was given ${p.given} as its signal`,
  why: 'by an AbortSignal a script stops a run',
  where: [{ at: `settings of ${p.call}()`, note: 'signal' }],
  fix: 'const stop = new AbortController(); give `signal: stop.signal`, and call stop.abort() when it is time',
}));

export const anotherCall = defineDiagnostic('launch/another-call', (p: { here: ScriptCall; led: ScriptCall }) => ({
  what: `the script came to ${callText(p.here)} in a rank, where it had come to ${callText(p.led)} in the launcher`,
  why: 'a script that trains a model of its own runs again in every rank, and has to take the same way there',
  where: [{ at: `call ${p.led.number + 1} of the script` }],
  fix: 'let which calls it makes depend on its arguments and on what earlier calls gave, and not on time, chance or files that change',
}));

export const anotherModel = defineDiagnostic('launch/another-model', (p: { call: ScriptCall | null }) => ({
  what: `a rank has constructed another model than the launcher${p.call ? ` for ${callText(p.call)}` : ''}`,
  why: 'class, options, parameters or code differ: the ranks would train something else than what was asked for',
  where: [{ at: p.call ? `call ${p.call.number + 1} of the script` : 'the module of the model' }],
  fix: 'leave its file as it is while it starts, and let its sizes depend on no time, chance or files that change',
}));

export const folderGone = defineDiagnostic('launch/folder-gone', (p: { folder: string }) => ({
  what: `the folder of the run was gone when a rank came to it: ${p.folder}`,
  why: 'a script that trains a model of its own runs again in every rank: what it removes before its call it removes there too',
  where: [{ at: p.folder }],
  fix: 'let the script remove run folders only after its calls, or give every run a name of its own',
}));

export const callNotReached = defineDiagnostic('launch/call-not-reached', (p: { call: ScriptCall; made: number }) => ({
  what: `the script ended in a rank after ${counted(p.made, 'call')}, before ${callText(p.call)}`,
  why: 'a script that trains a model of its own runs again in every rank, and has to take the same way there',
  where: [{ at: `call ${p.call.number + 1} of the script` }],
  fix: 'let which calls it makes depend on its arguments and on what earlier calls gave, and not on time, chance or files that change',
}));
