/** What every engine refuses. The native engine adds the errors of libtorch and its collectives (`native/diagnostics.ts`). */
import { defineDiagnostic, nearest } from '../ir/diagnostic.js';
import { printType, type TensorType } from '../ir/type.js';

export const rankElsewhere = defineDiagnostic(
  'engine/rank-elsewhere',
  (p: { rank: number; ranks: readonly number[] }) => ({
    what: `rank ${p.rank} is not run by this engine`,
    why: `it runs ${p.ranks.length > 0 ? `ranks ${p.ranks.join(', ')}` : 'no ranks'}`,
    fix: 'ask the engine that runs the rank',
  }),
);

export const unknownValue = defineDiagnostic(
  'engine/unknown-value',
  (p: { name: string; rank: number; className: string; known: readonly string[] }) => {
    const near = nearest(p.name, p.known);
    return {
      what: `the program of rank ${p.rank} has no value '${p.name}'`,
      where: [{ at: `rank ${p.rank}`, note: p.className }],
      fix: near ? `did you mean '${near}'?` : 'print the program (--dump-ir=after:lower) to see its values',
    };
  },
);

export const noInstance = defineDiagnostic(
  'engine/no-instance',
  (p: { name: string; rank: number; microbatch: number | null; each: boolean }) => ({
    what: `'${p.name}' has no instance ${p.microbatch === null ? 'without a microbatch' : `for microbatch ${p.microbatch}`}`,
    why: p.each ? 'it has one for each scheduled microbatch in which an instruction touches it' : 'it has one a step',
    where: [{ at: `rank ${p.rank}` }],
    fix: p.each ? 'name a scheduled microbatch' : 'leave the microbatch out',
  }),
);

export const wrongElements = defineDiagnostic(
  'engine/wrong-elements',
  (p: { name: string; rank: number; type: TensorType; elements: number; kind: string }) => ({
    what: `'${p.name}' was given ${p.elements} elements as ${p.kind}`,
    why: `the block of rank ${p.rank} is ${printType(p.type)}`,
    where: [{ at: `rank ${p.rank}` }],
    fix: 'give the whole block in its element type',
  }),
);

export const closed = defineDiagnostic('engine/closed', (_: object) => ({
  what: 'the engine is closed',
  fix: 'open another one',
}));

export const arenaMismatch = defineDiagnostic(
  'engine/arena-mismatch',
  (p: { name: string; rank: number; offsets: readonly [number, number] }) => ({
    what: `'${p.name}' lies at byte ${p.offsets[0]} in one program and at byte ${p.offsets[1]} in another`,
    why: 'programs of one engine share each rank’s arena, and so its persistent values',
    where: [{ at: `rank ${p.rank}` }],
    fix: 'declare persistent values in the same order in both graphs, or use two engines',
  }),
);

export const deadlocked = defineDiagnostic(
  'engine/deadlocked',
  (p: { waits: readonly { at: string; note: string }[] }) => ({
    what: 'no rank can go on',
    where: p.waits,
    fix: 'this is a fault of the compiler that the program verifier should have found: report it with the program (--dump-ir=after:lower)',
  }),
);

export const programFault = defineDiagnostic(
  'engine/program-fault',
  (p: { at: string; reason: string; path: string }) => ({
    what: `an instruction cannot run: ${p.reason}`,
    where: [{ at: p.at, note: p.path || 'model' }],
    fix: 'this is a fault of the compiler that the program verifier should have found: report it with the program (--dump-ir=after:lower)',
  }),
);

export const valueNotGiven = defineDiagnostic('engine/value-not-given', (p: { name: string; rank: number }) => ({
  what: `the program reads '${p.name}', which was not given`,
  where: [{ at: `rank ${p.rank}` }],
  fix: 'give the global value under this name',
}));

export const notEverywhere = defineDiagnostic(
  'engine/not-everywhere',
  (p: { name: string; ranks: readonly number[] }) => ({
    what: `'${p.name}' cannot be put together`,
    why: `there is no block of it on ${p.ranks.length === 1 ? 'rank' : 'ranks'} ${p.ranks.join(', ')}`,
    fix: 'name a persistent value or a result of the program, whose step has completed on all ranks',
  }),
);
