/** The values of a step that are summed over its microbatches, by the roles in which the update reads them. */
import { roleKey, roleWith, type Role } from '../../ir/role.js';
import type { PlacedGraph, PlacedId } from '../../partition/placed.js';

/** By group (and under no group, for whoever reads it elsewhere): what the step gives, and the members of what is packed. */
export function summedValues(step: PlacedGraph): ReadonlyMap<string, PlacedId> {
  const found = new Map<string, PlacedId>();
  const packs = new Map(step.steps.flatMap((one) => (one.kind === 'pack' ? [[one.outputs[0], one] as const] : [])));
  const note = (role: Role, id: PlacedId) => {
    found.set(sumKey(step.values[id].group, role), id);
    if (!found.has(sumKey(null, role))) found.set(sumKey(null, role), id);
  };
  for (const { role, value } of step.outputs) {
    note(role, value);
    const packed = packs.get(value);
    packed?.inputs.forEach((id, k) => note(roleWith(role, packed.members[k].name), id));
  }
  return found;
}

export const sumKey = (group: number | null, role: Role): string => `${group} ${roleKey(role)}`;
