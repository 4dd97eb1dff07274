/** The page that lists every option: docs/config.md. */
import { optionsElsewhere } from '../options/elsewhere.js';
import type { OptionRow } from '../options/rows.js';
import { describeOptions } from './schema.js';

/** The page that lists every option. */
export function optionsPage(): string {
  const lines = [
    '# Configuration',
    '',
    'Every field of a configuration: the object given to `train()`, exported by a TypeScript config, or written as JSON (comments are',
    'read over) or YAML. All may be left out. On the command line, `--set optimizer.lr=1e-3` changes any of them, and some have a flag of their',
    'own. Unknown and mistyped fields are refused; names that other frameworks give a field are answered with ours.',
    '',
    'Made from `src/config/schema.ts`; `npx vitest run src/config/page -u` writes it again.',
  ];
  for (const row of describeOptions()) {
    const depth = row.path.split('.').length;
    lines.push('', row.group ? `${'#'.repeat(depth + 1)} ${row.path}` : `**\`${row.path}\`** · ${factsOf(row)}`, '');
    lines.push(row.description + (row.effect ? ` _${row.effect}_` : ''));
    const names = [...row.also, ...wholeNames(row.path)];
    if (names.length > 0) lines.push('', `Elsewhere: ${names.map((name) => `\`${name}\``).join(', ')}.`);
  }
  lines.push('', '## Elsewhere, and not here', '');
  for (const [name, meant] of Object.entries(optionsElsewhere))
    if ('instead' in meant) lines.push(`- \`${name}\`: ${meant.instead}.`);
  return `${lines.join('\n')}\n`;
}

/** The options of others that are answered with this one, by their whole names. */
const wholeNames = (path: string): readonly string[] =>
  Object.entries(optionsElsewhere).flatMap(([name, meant]) =>
    'option' in meant && meant.option === path ? [name] : [],
  );

function factsOf(row: OptionRow): string {
  const facts = [row.type];
  if (row.unit) facts[0] += `, ${row.unit}`;
  if (row.range) facts.push(row.range);
  facts.push(row.default === null ? 'must be given' : `default \`${row.default}\``);
  if (row.flag) facts.push(`flag \`--${row.flag}\``);
  if (row.families) facts.push(`family ${row.families.join(', ')}`);
  return facts.join(' · ');
}
