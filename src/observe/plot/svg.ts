/**
 * A figure as SVG, which any browser shows and any program places.
 *
 * Colours are those of Okabe and Ito 2008, which people with any common kind of colour vision tell apart; beyond seven runs, and for whoever
 * sees no colours, dashes differ too.
 */
import { lossText } from '../../ir/units.js';
import { levelsOf, type DrawnLevel, type Figure, type Place, type Series } from './figure.js';
import { placeOn } from './ticks.js';

const colors = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000'];
const dashes = ['', '9 4', '2 4', '9 4 2 4'];

/** Pixels. */
const size = { width: 960, height: 540 };
const legendWidth = 250;
const plot = { left: 66, top: 58, right: size.width - legendWidth - 22, bottom: size.height - 62 };
const lineHeight = 17;

export function svgOf(figure: Figure): string {
  // What is noted has lines of its own, below the axis.
  const height = size.height + figure.notes.length * lineHeight;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" width="${size.width}" height="${height}" role="img"`,
    `  font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="13" fill="#222222">`,
    `<title>${escaped(`Loss of ${figure.title}`)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<clipPath id="plot"><rect x="${plot.left}" y="${plot.top}" width="${plot.right - plot.left}" height="${plot.bottom - plot.top}"/></clipPath>`,
    text(plot.left, 34, figure.title, 'font-size="18" font-weight="600"'),
    ...grid(figure),
    ...levelsOf(figure).flatMap((level) => levelLine(figure, level)),
    ...figure.series.flatMap((one) => curve(figure, one)),
    ...legend(figure),
    ...figure.notes.map((note, k) =>
      text(plot.left, size.height + 4 + k * lineHeight, note, 'fill="#555555" font-size="12"'),
    ),
    '</svg>',
    '',
  ].join('\n');
}

function grid({ x, y }: Figure): readonly string[] {
  const lines = [
    ...y.ticks.flatMap(({ at, text: label }) => {
      const py = yOf({ y }, at);
      return [
        line(plot.left, py, plot.right, py, 'stroke="#e6e6e6"'),
        text(plot.left - 9, py + 4.5, label, 'text-anchor="end" fill="#444444"'),
      ];
    }),
    ...x.ticks.flatMap(({ at, text: label }) => {
      const px = xOf({ x }, at);
      return [
        line(px, plot.bottom, px, plot.bottom + 5, 'stroke="#888888"'),
        text(px, plot.bottom + 20, label, 'text-anchor="middle" fill="#444444"'),
      ];
    }),
    line(plot.left, plot.bottom, plot.right, plot.bottom, 'stroke="#888888"'),
    text((plot.left + plot.right) / 2, plot.bottom + 38, x.label, 'text-anchor="middle"'),
  ];
  const middle = (plot.top + plot.bottom) / 2;
  return [...lines, text(18, middle, y.label, `text-anchor="middle" transform="rotate(-90 18 ${number(middle)})"`)];
}

function levelLine(figure: Figure, { name, y, of }: DrawnLevel): readonly string[] {
  const py = yOf(figure, y);
  const color = of === null ? '#666666' : colorOf(of);
  const label = `${name} ${lossText(y)}${of === null ? '' : `, ${shortened(of.name, 18)}`}`;
  const place = `text-anchor="end" font-size="12"`;
  return [
    line(plot.left, py, plot.right, py, `stroke="${color}" stroke-dasharray="5 4" stroke-width="1.3"`),
    // White behind it: a curve may run there.
    text(plot.right - 6, py - 6, label, `${place} stroke="#ffffff" stroke-width="4" stroke-linejoin="round"`),
    text(plot.right - 6, py - 6, label, `${place} fill="${color}"`),
  ];
}

function curve(figure: Figure, one: Series): readonly string[] {
  const color = colorOf(one);
  const dash = dashes[Math.floor(one.color / colors.length) % dashes.length];
  const style = dash === '' ? '' : ` stroke-dasharray="${dash}"`;
  const at = ({ x, y }: Place) => [xOf(figure, x), yOf(figure, y)] as const;
  const path = (places: readonly Place[]) => places.map((place) => at(place).map(number).join(' ')).join(' ');
  const isNew = one.training.length === 1;
  const points = [...(isNew ? one.training : []), ...one.validation].map(at);
  const cross = (step: number) => {
    const px = xOf(figure, step);
    return `M${number(px - 4)} ${plot.top + 3}l8 8m-8 0l8 -8`;
  };
  return [
    '<g clip-path="url(#plot)">',
    `<polyline points="${path(one.training)}" fill="none" stroke="${color}" stroke-opacity="0.3" stroke-width="1"/>`,
    `<polyline points="${path(one.smooth)}" fill="none" stroke="${color}" stroke-width="2"${style} stroke-linejoin="round"/>`,
    '</g>',
    ...points
      .filter(([, py]) => py >= plot.top && py <= plot.bottom)
      .map(
        ([px, py]) =>
          `<circle cx="${number(px)}" cy="${number(py)}" r="${one.validation.length > 60 ? 2 : 4}" fill="#ffffff" stroke="${color}" stroke-width="2"/>`,
      ),
    ...(one.notFinite.length > 0
      ? [`<path d="${one.notFinite.map(cross).join('')}" stroke="${color}" stroke-width="1.5" fill="none"/>`]
      : []),
  ];
}

/** Most runs that have an entry of their own beside the picture. */
const mostEntries = 11;

function legend({ series }: Figure): readonly string[] {
  const left = plot.right + 24;
  const items: string[] = [];
  let y = plot.top + 10;
  const entry = (mark: string, label: string, attributes = '') => {
    items.push(mark, text(left + 32, y, label, attributes));
    y += lineHeight + 4;
  };
  const stroke = (color: string, more = '') =>
    line(left, y - 4.5, left + 24, y - 4.5, `stroke="${color}" stroke-width="2"${more}`);
  const circle = (color: string) =>
    `<circle cx="${left + 12}" cy="${number(y - 4.5)}" r="4" fill="#ffffff" stroke="${color}" stroke-width="2"/>`;
  const lastOf = (places: readonly Place[]) => (places.length > 0 ? ` ${lossText(places.at(-1)!.y)}` : '');
  if (series.length === 1) {
    const [one] = series;
    entry(stroke(colorOf(one)), `training${lastOf(one.smooth)}`);
    if (one.validation.length > 0) entry(circle(colorOf(one)), `validation${lastOf(one.validation)}`);
  } else {
    for (const one of series.slice(0, mostEntries)) {
      const dash = dashes[Math.floor(one.color / colors.length) % dashes.length];
      entry(
        stroke(colorOf(one), ` stroke-dasharray="${dash || 'none'}"`),
        shortened(one.name, 24),
        'font-weight="600"',
      );
      y -= 3;
      const losses = [`training${lastOf(one.smooth)}`, `validation${lastOf(one.validation)}`];
      entry(
        '',
        losses.filter((text) => text.includes(' ')).join(', ') || 'no loss yet',
        'fill="#555555" font-size="11"',
      );
      y += 2;
    }
    if (series.length > mostEntries) entry('', `and ${series.length - mostEntries} more`);
    entry(circle('#555555'), 'validation');
  }
  return items.filter((item) => item !== '');
}

const colorOf = ({ color }: Series): string => colors[color % colors.length];

const xOf = ({ x }: Pick<Figure, 'x'>, value: number): number =>
  plot.left + placeOn(x, value) * (plot.right - plot.left);
const yOf = ({ y }: Pick<Figure, 'y'>, value: number): number =>
  plot.bottom - placeOn(y, value) * (plot.bottom - plot.top);

/** A tenth of a pixel is seen by nobody. */
const number = (value: number): string => String(Math.round(value * 10) / 10);

const line = (x1: number, y1: number, x2: number, y2: number, attributes: string): string =>
  `<line x1="${number(x1)}" y1="${number(y1)}" x2="${number(x2)}" y2="${number(y2)}" ${attributes}/>`;

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${number(x)}" y="${number(y)}"${attributes === '' ? '' : ` ${attributes}`}>${escaped(content)}</text>`;

const shortened = (name: string, longest: number): string => {
  const letters = [...name];
  return letters.length <= longest ? name : `${letters.slice(0, longest - 1).join('')}…`;
};

const escaped = (content: string): string =>
  content.replace(/[&<>"]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter]!);
