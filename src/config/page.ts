/** The page that lists every option: docs/config.md. */
import { describeOptions, type OptionRow } from './rows.js';

/** The page that lists every option. */
export function optionsPage(): string {
  const lines = [
    '# Configuration',
    '',
    'Every field of a configuration: the object given to `train()`, exported by a TypeScript config, or written as JSON. All may be',
    'left out. On the command line, `--set optimizer.lr=1e-3` changes any of them. Unknown and mistyped fields are refused.',
    '',
    'Made from `src/config/schema.ts`; `npx vitest run src/config/rows -u` writes it again.',
  ];
  for (const row of describeOptions()) {
    const depth = row.path.split('.').length;
    lines.push('', row.group ? `${'#'.repeat(depth + 1)} ${row.path}` : `**\`${row.path}\`** · ${factsOf(row)}`, '');
    lines.push(row.description + (row.effect ? ` _${row.effect}_` : ''));
  }
  return `${lines.join('\n')}\n`;
}

function factsOf(row: OptionRow): string {
  const facts = [row.type];
  if (row.unit) facts[0] += `, ${row.unit}`;
  if (row.range) facts.push(row.range);
  facts.push(row.default === null ? 'must be given' : `default \`${row.default}\``);
  if (row.families) facts.push(`family ${row.families.join(', ')}`);
  return facts.join(' · ');
}
