/**
 * The resolved plan: a plan with all that was chosen for its programs. It leaves nothing open, so it makes the same programs under any
 * prices. What is equal in several layers is written once, by a pattern; what differs from most stands beside it, by name.
 */
import { chosenFor } from './chosen_for.js';
import { sharedPattern } from './node_names.js';
import type { Plan, PlannedAssignment, PlannedAssignments, PlannedChoices } from './plan.js';

/**
 * `training` and `validation`: the choices of these steps. What follows from another field by default is not written: who changes that
 * field means what follows from it too.
 */
export const resolvePlan = (
  plan: Plan,
  { training, validation }: Readonly<Record<'training' | 'validation', Required<PlannedChoices>>>,
): Plan => ({
  ...plan,
  ...written(training),
  validation: written(validation),
  chosen_for: chosenFor(plan),
});

const written = ({ assignments, reshards }: Required<PlannedChoices>): PlannedChoices => ({
  assignments: foldAssignments(assignments),
  reshards,
});

/** The same assignments in fewer entries, in the order of the first that each stands for. */
export function foldAssignments(assignments: PlannedAssignments): PlannedAssignments {
  const alike = new Map<string, string[]>();
  for (const name of Object.keys(assignments)) {
    const pattern = sharedPattern(name) ?? name;
    const names = alike.get(pattern);
    if (names) names.push(name);
    else alike.set(pattern, [name]);
  }
  return Object.fromEntries(
    [...alike].flatMap(([pattern, names]): [string, PlannedAssignment][] => {
      if (names.length === 1) return [[names[0], assignments[names[0]]]];
      const texts = names.map((name) => JSON.stringify(assignments[name]));
      const most = mostCommon(texts);
      const others = names.filter((_, i) => texts[i] !== most);
      return [
        [pattern, assignments[names[texts.indexOf(most)]]],
        ...others.map((name): [string, PlannedAssignment] => [name, assignments[name]]),
      ];
    }),
  );
}

function mostCommon(texts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
}
