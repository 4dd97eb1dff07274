/** What the checks of placements share: a class, where its values lie, what its buffers are used for, and what is wrong. */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { canonicalLayout, sameLayout, type Layout } from '../ir/layout.js';
import type { ProgramValue, ValueIndex } from '../program/program.js';
import type { CompiledClass, Places } from './compiled_class.js';
import * as diagnose from './diagnostics.js';

export class Laid {
  readonly compiled: CompiledClass;
  readonly values: readonly ProgramValue[];
  readonly faults: DiagnosticError[] = [];
  /** Staging buffers → what lies in them: the move and its side, or the message. */
  readonly staged = new Map<ValueIndex, string>();

  constructor(compiled: CompiledClass) {
    this.compiled = compiled;
    this.values = compiled.rankClass.values;
  }

  /** A fault unless the value lies in this layout, for `op`. */
  expect(op: string, value: ProgramValue, layout: Layout, where: Places): void {
    const needs = canonicalLayout(this.compiled.mesh, value.global, layout);
    if (sameLayout(value.layout, needs)) return;
    this.faults.push(diagnose.wrongLayout({ op, value: value.name, has: value.layout, needs, where: where() }));
  }
}
