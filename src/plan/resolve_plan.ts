/**
 * The resolved plan: a plan with all that was chosen for its programs. It leaves nothing open, so it makes the same programs under any
 * prices. What is equal in several layers is written once, by a pattern; what differs from most stands beside it, by name.
 */
import { gradientDtypeOf } from './gradient_dtype.js';
import { sharedPattern } from './node_names.js';
import {
  gatheringOf,
  gradientReductionOf,
  type Plan,
  type PlannedAssignment,
  type PlannedAssignments,
  type PlannedChoices,
} from './plan.js';

/** `training` and `validation`: the choices of these steps. */
export function resolvePlan(
  plan: Plan,
  { training, validation }: Readonly<Record<'training' | 'validation', Required<PlannedChoices>>>,
): Plan {
  return {
    ...plan,
    zero: {
      ...plan.zero,
      ...(plan.zero.stage === 3 && gatheringOf(plan.zero)),
      reduce_gradients: gradientReductionOf(plan.zero),
    },
    precision: { ...plan.precision, gradients: gradientDtypeOf(plan.precision) },
    ...written(training),
    validation: written(validation),
  };
}

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
