/**
 * Rule 10: the workspace of a kernel or a collective is as large as the kernel table says that it needs. Beyond its end it would write
 * over whatever the memory planner put there.
 *
 * Asked last: the table takes for granted that operands fit their rules.
 */
import { DiagnosticError } from '../ir/diagnostic.js';
import { bytesOf } from '../ir/type.js';
import { exchangeShape, kernelShape } from '../program/kernel_shape.js';
import type { KernelChooser } from '../kernels/chooser.js';
import { placesOf, type CompiledClass, type CompiledInstruction } from './compiled_class.js';
import { titleOf } from '../program/kinds.js';
import * as diagnose from './diagnostics.js';

/** What the verifier asks of the kernel table. */
export type Workspaces = Pick<KernelChooser, 'scratchBytes' | 'exchangeBytes'>;

export function* checkWorkspaces(compiled: CompiledClass, kernels: Workspaces): Generator<DiagnosticError> {
  for (const body of compiled.templates.values()) for (const at of body) yield* workspaceFault(compiled, at, kernels);
}

function* workspaceFault(
  compiled: CompiledClass,
  at: CompiledInstruction,
  kernels: Workspaces,
): Generator<DiagnosticError> {
  const { instruction } = at;
  const { values } = compiled.rankClass;
  if (instruction.kind !== 'kernel' && instruction.kind !== 'collective') return;
  const bytes = instruction.scratch === null ? 0 : bytesOf(values[instruction.scratch].type);
  try {
    const needed =
      instruction.kind === 'kernel'
        ? kernels.scratchBytes(kernelShape(instruction, values))
        : kernels.exchangeBytes(exchangeShape(instruction, values, compiled.mesh));
    if (needed <= bytes) return;
    const workspace = instruction.scratch === null ? null : values[instruction.scratch].name;
    yield diagnose.smallWorkspace({
      op: titleOf(instruction),
      workspace,
      bytes,
      needed,
      where: placesOf(compiled, at),
    });
  } catch (error) {
    // The table has no kernel for these operands.
    if (!(error instanceof DiagnosticError)) throw error;
    yield error;
  }
}
