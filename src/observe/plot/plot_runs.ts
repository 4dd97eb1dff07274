/** `flotilla plot`: the losses of runs, ended or still going, as one picture. */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readConfig } from '../../config/file.js';
import { resolveConfig } from '../../config/resolve.js';
import { openDataset } from '../../data/dataset.js';
import { writeAtomically } from '../../data/temporaries.js';
import { systemProblem } from '../../ir/system_error.js';
import { RunFolder } from '../../run/folder.js';
import { readLossCurve, type LossCurve, type TokenFacts } from '../../run/loss_curve.js';
import { batchOptions } from '../../train/batch_options.js';
import { endable } from '../../train/endable.js';
import { attempt } from '../attempt.js';
import { pictureUnwritable, plotUnitUnknown } from '../diagnostics.js';
import { requireNoRunFile } from '../own_files.js';
import { pictureName } from './draw_curve.js';
import { figureOf, lossUnits, type Figure, type FigureOptions } from './figure.js';
import { svgOf } from './svg.js';

export interface PlotOptions {
  /** Where the picture goes: by default into the folder of the one run; of several, into the working directory. */
  readonly out?: string;
  /** `token` or `byte`; by default as the runs can be compared. */
  readonly per?: string;
  /** Whether steps are spread by their logarithm. Default false. */
  readonly log?: boolean;
}

export interface Plotted {
  readonly figure: Figure;
  /** The picture; null where the folder of the run, or the working directory, is none to write in: `unwritten` says why. */
  readonly file: string | null;
  readonly unwritten: string | null;
}

/**
 * Draws the runs in these folders. Throws `run/…` where one is none, and `observe/picture-unwritable` where the place that `out` names is
 * none: who has named no place is told, and has the figure.
 */
export async function plotRuns(
  paths: readonly string[],
  { out, per, log = false }: PlotOptions = {},
): Promise<Plotted> {
  const unit = lossUnits.find((one) => one === per);
  if (per !== undefined && unit === undefined) throw plotUnitUnknown({ given: per });
  const folders = paths.map((path) => RunFolder.open(path));
  const file = resolve(out ?? (folders.length === 1 ? folders[0].file(pictureName) : pictureName));
  let unwritten: string | null = null;
  const writing = (work: () => void) => {
    if (out !== undefined) return attempt(file, pictureUnwritable, work);
    if (unwritten !== null) return;
    try {
      work();
    } catch (error) {
      unwritten = `${file} cannot be written: ${systemProblem(error).problem}`;
    }
  };
  writing(() => requirePlace(file));
  const curves: LossCurve[] = [];
  for (const folder of folders) curves.push(await curveOf(folder));
  const options: FigureOptions = { isLog: log, ...(unit !== undefined && { unit }) };
  const figure = figureOf(named(curves, paths), options);
  writing(() => writeAtomically(behindLinks(file), svgOf(figure)));
  return { figure, file: unwritten === null ? file : null, unwritten };
}

async function curveOf(folder: RunFolder): Promise<LossCurve> {
  const source = folder.file('config.json');
  const { config } = resolveConfig(await readConfig(source), { source });
  const { data, order } = folder.readRecord();
  // What is not kept beside the data is counted here, and takes long.
  return endable(() => readLossCurve(folder, () => factsOf(data.folder, batchOptions(config, order.context))));
}

/** What the prepared data says; null where it has gone: a curve without baselines is one too. */
function factsOf(folder: string, options: Parameters<typeof openDataset>[1]): TokenFacts | null {
  try {
    const dataset = openDataset(folder, options);
    try {
      const { unigram, bigram } = dataset.baselines();
      const { bytesPerToken, manifest } = dataset;
      const keepsText = manifest.lost === undefined;
      return { unigram: unigram.natsPerToken, bigram: bigram.natsPerToken, bytesPerToken, keepsText };
    } finally {
      dataset.close();
    }
  } catch {
    return null;
  }
}

/** Runs of one name lie in different folders, which then tell them apart. */
function named(curves: readonly LossCurve[], paths: readonly string[]): readonly LossCurve[] {
  const isAlone = (name: string) => curves.filter((curve) => curve.name === name).length === 1;
  return curves.map((curve, k) => (isAlone(curve.name) ? curve : { ...curve, name: paths[k] }));
}

/** Throws where a picture cannot be written, before anything is read that takes long. */
function requirePlace(file: string): void {
  const extension = /\.[a-z0-9]+$/i.exec(file)?.[0].toLowerCase();
  if (extension !== '.svg') throw new Error('pictures are SVG, and its name does not end in .svg');
  requireNoRunFile(file, [pictureName]);
  if (existsSync(file) && !statSync(file).isFile()) throw new Error('it is no ordinary file');
  if (existsSync(file)) accessSync(file, constants.W_OK);
  // With the slash, a file in the folder's place is said to be one.
  accessSync(`${dirname(behindLinks(file))}/`, constants.W_OK);
}

const behindLinks = (file: string): string => (existsSync(file) ? realpathSync(file) : file);
