/** Which results may be written over operands that the same instruction reads. */
import type { ValueIndex } from '../program/program.js';
import type { Run } from './byte_map.js';
import type { ByteAccess, CompiledClass, CompiledInstruction } from './compiled_class.js';

/**
 * An all-reduce may write over its operand, all of it; a kernel as {@link writesWhatItRead} says, over exactly one run. `run`: what it reads
 * there; `offsets`: of buffers, in the step of the schedule.
 */
export function mayWriteInPlace(
  compiled: CompiledClass,
  offsets: Readonly<Record<ValueIndex, number>>,
  at: CompiledInstruction,
  access: ByteAccess,
  run: Run,
): boolean {
  const start = offsets[access.base] + access.offset;
  const end = start + access.bytes;
  if (at.instruction.kind !== 'collective')
    return run.start === start && run.end === end && writesWhatItRead(compiled, at, access, run);
  const reads = at.accesses.filter((one) => one.access === 'read' && one.bytes > 0);
  const starts = reads.map((one) => offsets[one.base] + one.offset);
  const ends = reads.map((one, i) => starts[i] + one.bytes);
  const whole = Math.min(...starts) === start && Math.max(...ends) === end;
  return whole && at.instruction.move.kind === 'all_reduce';
}

/**
 * A kernel may write a result over an operand with the same factors and type: it reads each element before it writes it. One that has a
 * factor whole reads along it, and may not: it could rotate or reorder.
 */
function writesWhatItRead(
  { rankClass: { values } }: CompiledClass,
  { instruction, accesses }: CompiledInstruction,
  output: ByteAccess,
  run: Run,
): boolean {
  if (instruction.kind !== 'kernel') return false;
  const { rule, inputs, outputs } = instruction;
  const result = rule.results[outputs.findIndex((o) => o.value === output.value)];
  if (!result || result.some((name) => rule.factors[name].whole)) return false;
  return inputs.every((input, i) => {
    const is = (one: ByteAccess) => one.value === input.value && one.source === run.content?.value;
    if (!accesses.some((one) => one.access !== 'write' && is(one))) return true;
    const same = rule.operands[i].length === result.length && rule.operands[i].every((f, k) => f === result[k]);
    return (
      same && values[input.value].type.dtype === values[output.value].type.dtype && !values[input.value].view?.made
    );
  });
}
