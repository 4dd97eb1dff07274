/** How a run goes on that has ended before its end, in words. */
import { relative } from 'node:path';
import { isModule } from '../config/import_module.js';
import { shellWord } from '../ir/shell.js';

/** `givenModel`: whether a script gave it a model of its own as an object, which another process finds in the script. */
export const goOnWord = (folder: string, givenModel: boolean): string =>
  `go on with \`flotilla resume ${shellWord(folder)}${givenModel ? modelFlag() : ''}\``;

/** Of a run that failed. `checkpoint`: its last one; null: it has none. */
export const recoveryWord = (folder: string, checkpoint: string | null, givenModel: boolean): string =>
  checkpoint === null
    ? `no checkpoint had been written to go on from: start ${shellWord(folder)} again, its name is free`
    : `${goOnWord(folder, givenModel)}: its last checkpoint is ${checkpoint}`;

function modelFlag(): string {
  const script = process.argv.at(1);
  if (script === undefined || !isModule(script)) return ' --model FILE';
  const near = relative('', script);
  return ` --model ${shellWord(near.startsWith('..') ? script : near)}`;
}
