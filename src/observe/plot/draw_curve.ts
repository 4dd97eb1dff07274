/** The picture of one run, in its folder. */
import type { RunFolder } from '../../run/folder.js';
import { readLossCurve, type LossCurve, type TokenFacts } from '../../run/loss_curve.js';
import { figureOf } from './figure.js';
import { svgOf } from './svg.js';

export const pictureName = 'loss.svg';

/** Draws what the run's metrics tell. `facts`: what its other files do not say yet. Throws `run/folder-not-written`. */
export function drawCurve(folder: RunFolder, facts: TokenFacts): { readonly file: string; readonly curve: LossCurve } {
  const curve = readLossCurve(folder, () => facts);
  folder.write(pictureName, svgOf(figureOf([curve])));
  return { file: folder.file(pictureName), curve };
}
