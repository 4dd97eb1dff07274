/**
 * Checked first: what the other rules take for granted. Ranks have places in the meshes; names, indices and lanes are what they should
 * be; edges lead between groups and legal layouts; every buffer that a step touches has an address in the arena, aligned; persistent
 * buffers lie apart at one address.
 */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import { dtypeBytes } from '../ir/dtype.js';
import { ownLayoutFault } from '../ir/layout.js';
import { meshRanks, printMesh, type Coordinates, type Mesh } from '../ir/mesh.js';
import { rowMajor } from '../ir/strides.js';
import { bytesOf, elementsOf, sizesOf } from '../ir/type.js';
import { DEFAULT_ALIGNMENT } from '../memory/index.js';
import type {
  Instruction,
  Program,
  ProgramValue,
  RankClass,
  Template,
  TileInstruction,
  TransferInstruction,
} from '../program/program.js';
import { baseOf } from '../program/place.js';
import { describedKind, operandRoles, operandsOf, titleOf } from '../program/kinds.js';
import { instructionsOf } from '../program/unroll.js';
import * as diagnose from './diagnostics.js';

/** Faults of what a class is made of; where there are some the other rules cannot be applied to it. */
export function checkStructure(program: Program, rankClass: RankClass): readonly DiagnosticError[] {
  const found = [...checkMembers(program, rankClass), ...checkTable(rankClass), ...checkTemplates(program, rankClass)];
  return found.length > 0 ? found : [...checkSchedule(program, rankClass)];
}

/** The groups have the meshes of the graphs, and their ranks come one behind the other. */
export function* checkGroups({ groups }: Program, meshes: readonly Mesh[]): Generator<DiagnosticError> {
  const malformed = (what: string) => diagnose.malformed({ what, where: [{ at: 'program' }] });
  if (groups.length !== meshes.length) yield malformed(`there are ${groups.length} groups, not ${meshes.length}`);
  let ranks = 0;
  for (const [group, mesh] of meshes.entries()) {
    const has = groups[group];
    if (!has) return;
    if (printMesh(has.mesh) !== printMesh(mesh))
      yield malformed(`group ${group} is ${printMesh(has.mesh)}, not ${printMesh(mesh)}`);
    if (has.firstRank !== ranks) yield malformed(`group ${group} begins at rank ${has.firstRank}, not at ${ranks}`);
    ranks += meshRanks(mesh);
  }
}

/** The ranks of a class are places of its group's mesh. */
function* checkMembers({ groups }: Program, { name, group, members }: RankClass): Generator<DiagnosticError> {
  const malformed = (what: string) => diagnose.malformed({ what, where: [{ at: name }] });
  if (!groups[group]) return void (yield malformed(`'${name}' is of group ${group}, which is none`));
  const { mesh } = groups[group];
  if (members.length === 0) yield malformed(`'${name}' has no rank`);
  const isPlace = (at: Coordinates) => mesh.axes.every(({ name: axis, size }) => at[axis] >= 0 && at[axis] < size);
  if (!members.every(isPlace)) yield malformed(`a rank of '${name}' has no place in ${printMesh(mesh)}`);
}

function* checkTable({
  name: className,
  values,
  before,
  after,
  inputs,
  results,
}: RankClass): Generator<DiagnosticError> {
  const where: readonly Place[] = [{ at: className }];
  const malformed = (what: string) => diagnose.malformed({ what, where });
  const names = new Set<string>();
  for (const [index, value] of values.entries()) {
    if (names.has(value.name)) yield malformed(`two values are named '${value.name}'`);
    names.add(value.name);
    const fault = value.view && viewFault(values, index);
    if (fault) yield malformed(`'${value.name}' ${fault}`);
    else if (value.parts && !consistsOf(values, index, value.parts))
      yield malformed(`'${value.name}' is not what lies in it`);
  }
  const stated = [...before.values, ...after.values].flatMap(({ at, holds }) => [at, holds]);
  for (const index of [...stated, ...inputs, ...Object.values(results)]) {
    if (!values[index]) yield malformed(`the class states something of value ${index}, which it does not have`);
  }
  for (const { at } of [...before.values, ...after.values]) {
    if (values[at]?.lifetime !== 'persistent' || (values[at].view && !isPart(values, at))) {
      yield malformed(`the contract speaks of '${values[at]?.name}', which does not outlast the step`);
    }
  }
}

/** A view lies within the buffer that it is of; one that an instruction writes is a run of it. */
function viewFault(values: readonly ProgramValue[], index: number): string | null {
  const { type, view, lifetime } = values[index];
  const { of, offset, strides, made } = view!;
  const base = values[of];
  if (!base) return 'is a view of nothing';
  if (of === index) return 'is a view of itself';
  if (base.view) return 'is a view of a view';
  if (base.type.dtype !== type.dtype) return 'is a view of another element type';
  // An update lies where a persistent value does; every other view lasts as long as its buffer.
  if (made && lifetime !== base.lifetime) return 'lasts longer than what it shows, or less long';
  if ((lifetime === 'persistent') !== (base.lifetime === 'persistent'))
    return 'lasts longer than its buffer, or less long';
  const bytes = dtypeBytes[type.dtype];
  const sizes = type.dims.flat().map((factor) => factor.size);
  if (strides.length !== sizes.length || strides.some((stride) => stride < 0) || offset < 0)
    return 'has no such strides';
  if (!made && String(strides) !== String(rowMajor(sizesOf(type)))) return 'is written in pieces';
  const last = offset + sizes.reduce((at, size, k) => at + (size - 1) * strides[k], 0);
  const room = bytesOf(base.type);
  return elementsOf(type) > 0 && (last + 1) * bytes > room ? 'reaches beyond its buffer' : null;
}

/** True where a value's elements lie one behind the other: kernels read views with strides, nothing else does. */
const isRun = ({ type, view }: ProgramValue): boolean =>
  !view || String(view.strides) === String(rowMajor(sizesOf(type)));

/** A bucket's parts are runs of its buffer, of its type and lifetime, that fill it one behind the other. */
function consistsOf(values: readonly ProgramValue[], bucket: number, parts: readonly number[]): boolean {
  const { type, lifetime, tensors } = values[bucket];
  if (tensors && String(parts.map((part) => values[part]?.name)) !== String(tensors.map(({ name }) => name)))
    return false;
  let start = startOf(values, bucket);
  const end = start + elementsOf(type);
  for (const part of parts) {
    const value = values[part];
    if (!value?.view || value.view.made || value.parts || baseOf(values, part) !== baseOf(values, bucket)) return false;
    if (value.type.dtype !== type.dtype || value.lifetime !== lifetime || startOf(values, part) !== start) return false;
    start += elementsOf(value.type);
  }
  return start === end;
}

/** Elements from the beginning of a value's buffer. */
const startOf = (values: readonly ProgramValue[], index: number): number => values[index].view?.offset ?? 0;

const isPart = (values: readonly ProgramValue[], index: number): boolean =>
  values[baseOf(values, index)].parts?.includes(index) ?? false;

function* checkTemplates({ groups }: Program, rankClass: RankClass): Generator<DiagnosticError> {
  const { values, templates, name, group } = rankClass;
  const names = new Set<string>();
  for (const template of templates) {
    if (names.has(template.name)) {
      yield diagnose.malformed({ what: `two templates are named '${template.name}'`, where: [{ at: name }] });
    }
    names.add(template.name);
    for (const [index, instruction] of instructionsOf(template).entries()) {
      const where = () => [{ at: `${template.name}[${index}] ${instruction.kind}`, note: name }];
      const what = operandFault(values, instruction);
      if (what) yield diagnose.malformed({ what, where: where() });
      const belongs = describedKind(instruction).lane(instruction);
      if (belongs !== null && instruction.lane !== belongs) {
        yield diagnose.wrongLane({ lane: instruction.lane, belongs, where: where() });
      }
      const crosses = 'edge' in instruction ? edgeFault(groups, group, instruction) : null;
      if (crosses) yield diagnose.wrongTile({ tag: titleOf(instruction), what: crosses, where: where() });
    }
  }
}

function operandFault(values: readonly ProgramValue[], instruction: Instruction): string | null {
  const operands = operandsOf(instruction);
  for (const { value } of operands) if (!values[value]) return `it names value ${value}, which the class lacks`;
  const roles = operandRoles(instruction);
  const reads = operands.filter((_, k) => roles[k] === 'read');
  const writes = operands.filter((_, k) => roles[k] !== 'read');
  if (reads.some(({ access }) => access !== 'read')) return 'it writes an operand';
  for (const { value, access } of writes) {
    const { name, view, lifetime } = values[value];
    if (access === 'read') return `it reads its result '${name}'`;
    if (view?.made) return `it writes '${name}', which is a view of other values' elements`;
    if (access === 'accumulate' && lifetime !== 'sum') return `it adds to '${name}', which is no sum over microbatches`;
    if (lifetime === 'data') return `it writes '${name}', which is the host's`;
    if (access === 'write' && lifetime === 'sum' && instruction.kind !== 'kernel')
      return `it moves into the sum '${name}'`;
  }
  if (instruction.kind !== 'kernel') {
    const gaps = reads.find(({ value }) => !isRun(values[value]));
    if (gaps) return `it moves '${values[gaps.value].name}', whose elements do not lie together`;
  }
  if (!('scratch' in instruction) || instruction.scratch === null) return null;
  const scratch = values[instruction.scratch];
  return scratch.view || scratch.lifetime === 'persistent'
    ? `its workspace '${scratch.name}' is no buffer of its own`
    : null;
}

/** An edge leads from this group or to it, between legal layouts of whole values: tiles follow from these. */
function edgeFault(
  groups: Program['groups'],
  group: number,
  { kind, edge }: TileInstruction | TransferInstruction,
): string | null {
  const { fromGroup, toGroup, from, to, global } = edge;
  const [source, destination] = [groups[fromGroup], groups[toGroup]];
  const outgoing = kind === 'pack_tile' || kind === 'send';
  if (!source || !destination || (outgoing ? fromGroup : toGroup) !== group)
    return `it goes from group ${fromGroup} to group ${toGroup}`;
  const fault = ownLayoutFault(source.mesh, global, from) ?? ownLayoutFault(destination.mesh, global, to);
  if (fault) return `a layout of its ends is illegal: ${fault}`;
  return Object.keys(from.partial).length + Object.keys(to.partial).length > 0
    ? 'a partial value does not travel between groups'
    : null;
}

function* checkSchedule(program: Program, rankClass: RankClass): Generator<DiagnosticError> {
  const { values, templates, schedule, arenaBytes, name } = rankClass;
  const touched = new Map(templates.map((template) => [template.name, basesOf(values, template)]));
  const bytes = values.map(({ type }) => bytesOf(type));
  const addresses = new Map<string, number>();
  const persistent = new Map<number, number>();
  for (const [index, step] of schedule.entries()) {
    const { template, microbatch, offsets } = step;
    const where = [{ at: `schedule[${index}] ${template} of microbatch ${microbatch}`, note: name }];
    const bases = touched.get(template);
    if (!bases || !Number.isInteger(microbatch) || microbatch < 0 || microbatch >= program.microbatches) {
      yield diagnose.malformed({ what: 'the schedule names a template or a microbatch that there is not', where });
      continue;
    }
    for (const base of bases) {
      const { name: value, lifetime } = values[base];
      const offset = offsets[base];
      const what = addressFault(offset, bytes[base], arenaBytes);
      if (what) {
        yield diagnose.badAddress({ what: `'${value}' ${what}`, where });
        continue;
      }
      if (lifetime === 'persistent') persistent.set(base, offset);
      // The host finds these by their address, whichever step names it.
      if (lifetime !== 'persistent' && lifetime !== 'data' && lifetime !== 'sum') continue;
      const key = lifetime === 'data' ? `${base}@${microbatch}` : String(base);
      const known = addresses.get(key) ?? offset;
      addresses.set(key, offset);
      if (known !== offset) yield diagnose.badAddress({ what: `'${value}' lies at ${known} and at ${offset}`, where });
    }
  }
  const fixed = [...persistent].filter(([base]) => bytes[base] > 0).sort((a, b) => a[1] - b[1]);
  for (let i = 1; i < fixed.length; i++) {
    const [[before, from], [base, offset]] = [fixed[i - 1], fixed[i]];
    if (from + bytes[before] <= offset) continue;
    const what = `'${values[base].name}' lies over '${values[before].name}'`;
    yield diagnose.badAddress({ what, where: [{ at: name }] });
  }
}

function basesOf(values: readonly ProgramValue[], template: Template): readonly number[] {
  const bases = new Set<number>();
  for (const instruction of instructionsOf(template))
    for (const { value } of operandsOf(instruction)) bases.add(baseOf(values, value));
  return [...bases];
}

function addressFault(offset: number | undefined, bytes: number, arenaBytes: number): string | null {
  if (offset === undefined) return 'has no address';
  if (!Number.isInteger(offset) || offset < 0 || offset + bytes > arenaBytes) {
    return `lies at ${offset} to ${offset + bytes} of an arena of ${arenaBytes} bytes`;
  }
  return offset % DEFAULT_ALIGNMENT === 0 ? null : `lies at ${offset}, which is no multiple of ${DEFAULT_ALIGNMENT}`;
}
