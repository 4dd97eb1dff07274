/** Wrong moves between layouts: left out, over another group, by another reduction. */
import type {
  CollectiveInstruction,
  FillInstruction,
  MoveInstruction,
  ValueIndex,
} from '../../../src/program/program.js';
import { baseOf } from '../../../src/program/place.js';
import { editBody, exchange, replaceAt, sitesOf, withValue } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { drop, isCollective, isFill, isMove, isTile, mutant, onOne } from './site.js';

export const moves: Mutations = {
  drop_collective: onOne(isCollective, (program, site) => drop(program, site)),
  skip_all_reduce: onOne(
    (x) => x.kind === 'collective' && x.move.kind === 'all_reduce',
    (program, site) => {
      const { input, output } = site.instruction as CollectiveInstruction;
      const { values } = program.classes[site.c];
      // In place there is nothing to rewire: the partial sum simply stays there.
      if (baseOf(values, input.value) === baseOf(values, output.value)) {
        return mutant(replaceAt(program, site), site);
      }
      const rewired = editBody(program, site, (body) =>
        body.map((x) => withValue(x, output.value, input.value, 'read')),
      );
      return mutant(replaceAt(rewired, site), site);
    },
  ),
  read_before_the_move: onOne(isMove, (program, site) => {
    const { input, output } = site.instruction as MoveInstruction;
    const { values } = program.classes[site.c];
    const sizes = (index: ValueIndex) => String(values[index].type.dims.flat().map((f) => f.size));
    if (sizes(input.value) !== sizes(output.value)) return null;
    return mutant(
      editBody(program, site, (body) =>
        body.map((x, i) => (i > site.i ? withValue(x, output.value, input.value, 'read') : x)),
      ),
      site,
    );
  }),
  drop_fill: onOne(isFill, (program, site) => drop(program, site)),
  /** Over what the move has brought. */
  late_fill: onOne(isFill, (program, site) => {
    const { output } = site.instruction as FillInstruction;
    const [unpack] = sitesOf(program, (x) => x.kind === 'unpack' && x.output.value === output.value).filter(
      ({ c, t, i }) => c === site.c && t === site.t && i > site.i,
    );
    return unpack ? mutant(exchange(program, site, unpack), site, unpack) : null;
  }),
  wrong_group: onOne(isCollective, (program, site, random) => {
    const { mesh } = program.groups[program.classes[site.c].group];
    const instruction = site.instruction as CollectiveInstruction;
    const axes = mesh.axes.map((axis) => axis.name).filter((name) => !instruction.axes.includes(name));
    if (axes.length === 0) return null;
    const axis = random.pick(axes);
    const lane = `group:${axis}` as const;
    const move = random.chance(0.5) ? { ...instruction.move, axes: [axis] } : instruction.move;
    const changed = { ...instruction, axes: [axis], move, ...(random.chance(0.5) ? { lane } : {}) };
    return mutant(replaceAt(program, site, changed), site);
  }),
  wrong_reduction: onOne(
    (x) => isCollective(x) && (x as CollectiveInstruction).reduction !== null,
    (program, site) => {
      const instruction = site.instruction as CollectiveInstruction;
      const reduction = instruction.reduction === 'sum' ? ('max' as const) : ('sum' as const);
      return mutant(
        replaceAt(program, site, { ...instruction, reduction, move: { ...instruction.move, reduction } }),
        site,
      );
    },
  ),
  change_move: onOne(
    (x) => isMove(x) || isCollective(x),
    (program, site, random) => {
      const instruction = site.instruction as MoveInstruction;
      const moves = sitesOf(program, (x) => isMove(x) || isCollective(x))
        .map((other) => (other.instruction as MoveInstruction).move)
        .filter((move) => JSON.stringify(move) !== JSON.stringify(instruction.move));
      if (moves.length === 0) return null;
      return mutant(replaceAt(program, site, { ...instruction, move: random.pick(moves) }), site);
    },
  ),
  drop_pack_or_unpack: onOne(
    (x) => isMove(x) || isTile(x),
    (program, site) => drop(program, site),
  ),
};
