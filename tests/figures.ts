/** The figures that README.md and docs/architecture.md contain, printed from `architecture.js`. */
import { folders, passes } from '../architecture.js';

export function passFigure(): string {
  const width = Math.max(...passes.map(({ name }) => name.length));
  return [
    'model code',
    ...passes.map(({ name, about }) => `  │ ${name.padEnd(width)}   ${about}`),
    '  ▼',
    'one program for each class of equal ranks',
  ].join('\n');
}

export function folderFigure(): string {
  const width = Math.max(...folders.map(({ name }) => name.length)) + 1;
  return folders.map(({ name, about }) => `${`${name}/`.padEnd(width)}  ${about}`).join('\n');
}
