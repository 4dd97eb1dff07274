/** A clocked step as a picture in SVG: a row for each device, what it computes above what is under way between it and others. */
import type { ClockedProgram, ClockedSpan } from './clock.js';

/** In pixels. */
const [width, left, margin, computeHeight, meetHeight, gap] = [860, 64, 8, 18, 8, 6];

const colours = {
  forward: '#2f67b1',
  backward: '#23855a',
  weight: '#b8720a',
  update: '#7a4f9a',
  collective: '#c23b3b',
  message: '#6b7280',
} as const;
type Drawn = keyof typeof colours;

/** What is narrower, and gaps that are, are not told apart. */
const finest = 0.4;

export function clockedSvg({ seconds, spans }: ClockedProgram, title: string): string {
  const ranks = [...new Set(spans.map(({ rank }) => rank))].sort((a, b) => a - b);
  const scale = width / seconds;
  const height = computeHeight + meetHeight + gap;
  const used = new Set<Drawn>();
  const rows = ranks.flatMap((rank, row) => {
    const top = margin + row * height;
    const bars = new Map<Drawn, Bar[]>();
    for (const span of spans) {
      if (span.rank !== rank || span.what === 'wait') continue;
      const drawn = drawnAs(span);
      used.add(drawn);
      const known = bars.get(drawn) ?? [];
      bars.set(drawn, known);
      known.push({ begin: span.begin * scale, end: span.end * scale });
    }
    return [
      `<text x="${margin}" y="${top + computeHeight - 5}" fill="#222">device ${rank}</text>`,
      ...[...bars].map(([drawn, list]) => {
        const meets = drawn === 'collective' || drawn === 'message';
        const [y, h] = meets ? [top + computeHeight, meetHeight] : [top, computeHeight];
        return `<path fill="${colours[drawn]}" d="${joined(list)
          .map((bar) => rectangle(bar, y, h))
          .join('')}"/>`;
      }),
    ];
  });
  const bottom = margin + ranks.length * height;
  const legend = (Object.keys(colours) as Drawn[])
    .filter((drawn) => used.has(drawn))
    .flatMap((drawn, i) => [
      `<rect x="${left + i * 110}" y="${bottom + 4}" width="14" height="14" fill="${colours[drawn]}"/>`,
      `<text x="${left + i * 110 + 20}" y="${bottom + 15}" fill="#222">${drawn}</text>`,
    ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + margin}" height="${bottom + 26}" font-family="sans-serif" font-size="11">`,
    `<title>${title}</title>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...rows,
    ...legend,
    '</svg>',
    '',
  ].join('\n');
}

interface Bar {
  readonly begin: number;
  readonly end: number;
}

function drawnAs({ what, launch: { instruction } }: ClockedSpan): Drawn {
  if (what === 'meet') return instruction.kind === 'collective' ? 'collective' : 'message';
  return instruction.source.phase;
}

function joined(bars: readonly Bar[]): readonly Bar[] {
  const result: Bar[] = [];
  for (const bar of bars.toSorted((a, b) => a.begin - b.begin)) {
    const last = result.at(-1);
    if (last && bar.begin - last.end < finest)
      result[result.length - 1] = { ...last, end: Math.max(last.end, bar.end) };
    else result.push(bar);
  }
  return result;
}

const rectangle = ({ begin, end }: Bar, y: number, height: number): string => {
  const w = short(Math.max(finest, end - begin));
  return `M${short(left + begin)} ${y}h${w}v${height}h-${w}z`;
};

const short = (pixels: number): string => String(Number(pixels.toFixed(1)));
