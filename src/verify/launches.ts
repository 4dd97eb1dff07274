/**
 * What runs is what the kernel table has. The kernel of an instruction is one of its op's that takes its operands, and it and
 * every collective has as much workspace as the table says that it needs: beyond its end it would write over whatever the memory planner
 * put there.
 *
 * Asked last: the table takes for granted that operands fit their rules.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { bytesOf } from '../ir/type.js';
import type { KernelChooser } from '../kernels/chooser.js';
import { exchangeShape, kernelShape } from '../program/kernel_shape.js';
import { titleOf } from '../program/kinds.js';
import { placesOf, type CompiledClass, type CompiledInstruction } from './compiled_class.js';
import * as diagnose from './diagnostics.js';

/** What the verifier asks of the kernel table. */
export type KernelTable = Pick<KernelChooser, 'scratchBytes' | 'exchangeBytes'>;

export function* checkLaunches(compiled: CompiledClass, kernels: KernelTable): Generator<DiagnosticError> {
  for (const body of compiled.templates.values()) for (const at of body) yield* launchFault(compiled, at, kernels);
}

function* launchFault(
  compiled: CompiledClass,
  at: CompiledInstruction,
  kernels: KernelTable,
): Generator<DiagnosticError> {
  const { instruction } = at;
  const { values } = compiled.rankClass;
  if (instruction.kind !== 'kernel' && instruction.kind !== 'collective') return;
  const needed =
    instruction.kind === 'kernel'
      ? kernels.scratchBytes(instruction.kernel, kernelShape(instruction, values))
      : kernels.exchangeBytes(exchangeShape(instruction, values, compiled.mesh));
  if (needed === null && instruction.kind === 'kernel') {
    const { id, device } = instruction.kernel;
    yield diagnose.wrongKernel({ op: instruction.op, kernel: `${id} on ${device}`, where: placesOf(compiled, at) });
    return;
  }
  const bytes = instruction.scratch === null ? 0 : bytesOf(values[instruction.scratch].type);
  if (needed === null || needed <= bytes) return;
  const workspace = instruction.scratch === null ? null : values[instruction.scratch].name;
  yield diagnose.smallWorkspace({ op: titleOf(instruction), workspace, bytes, needed, where: placesOf(compiled, at) });
}
