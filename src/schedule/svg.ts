import { isStraight, pictureCells, type PictureOptions } from './picture.js';
import { slotName, type Direction, type ScheduleTable, type Slot } from './slot.js';

/** Sizes in pixels. */
const [column, row, gap, margin, left] = [20, 26, 4, 8, 64];

/** Of a group's first chunk, and of its others, which are lighter. */
const colours: Readonly<Record<Direction, readonly [first: string, others: string]>> = {
  forward: ['#2f67b1', '#a9c8ee'],
  backward: ['#23855a', '#a5dcc0'],
  weight: ['#b8720a', '#f3d29b'],
};

/**
 * A table as a picture in SVG: one row a group, time to the right. A slot is a rectangle with its microbatch, in the colour of its direction,
 * lighter for a group's later chunks; two woven slots share a row, the first above. Hovering over a slot tells its name.
 */
export function svgOf(table: ScheduleTable, title: string, options: PictureOptions): string {
  const groups = pictureCells(table, options);
  const columns = groups.flat().reduce((most, { end }) => Math.max(most, end), 0);
  const straight = isStraight(table);
  const [width, bottom] = [left + columns * column + margin, margin + groups.length * (row + gap)];
  const lines = groups.flatMap((group, g) => {
    const chunks = group.flatMap(({ slots }) => slots.map(({ chunk }) => chunk));
    const first = chunks.reduce((least, chunk) => Math.min(least, chunk), Infinity);
    const top = margin + g * (row + gap);
    return [
      `<text x="${margin}" y="${top + row / 2 + 4}" fill="#222">group ${g}</text>`,
      ...group.flatMap(({ slots, begin, end }) =>
        slots.map((slot, i) =>
          drawn(slot, slot.chunk === first, {
            x: left + begin * column,
            y: top + (i * row) / slots.length,
            width: (end - begin) * column,
            height: row / slots.length,
          }),
        ),
      ),
    ];
  });
  const used = (['forward', 'backward', 'weight'] as const).filter((direction) =>
    groups.some((group) => group.some(({ slots }) => slots.some((slot) => slot.direction === direction))),
  );
  const legend = used.flatMap((direction, i) => [
    `<rect x="${left + i * 110}" y="${bottom + 4}" width="14" height="14" fill="${colours[direction][0]}"/>`,
    `<text x="${left + i * 110 + 20}" y="${bottom + 15}" fill="#222">${direction}</text>`,
  ]);
  const lighter = straight
    ? []
    : [`<text x="${left + used.length * 110}" y="${bottom + 15}" fill="#222">lighter: later chunks</text>`];
  const size = `width="${Math.max(width, left + 480)}" height="${bottom + 26}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...lines,
    ...legend,
    ...lighter,
    '</svg>',
    '',
  ].join('\n');
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function drawn(slot: Slot, first: boolean, { x, y, width, height }: Box): string {
  const fill = colours[slot.direction][first ? 0 : 1];
  const small = height < 14 ? ' font-size="9"' : '';
  return (
    `<g><title>${slotName(slot)}</title><rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}" stroke="#fff"/>` +
    `<text x="${x + width / 2}" y="${y + height / 2 + (small ? 3 : 4)}" text-anchor="middle" fill="${first ? '#fff' : '#222'}"${small}>${slot.microbatch}</text></g>`
  );
}

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);
