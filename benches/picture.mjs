// Fan-outs as a bar chart: packets for a second of CPU time, ours above the null server's, with the range of the rounds.

import { median } from './figures.mjs';
import { shown } from './table.mjs';

const LEFT = 190;
const WIDTH = 560;
const ROW = 44;
const BAR = 15;
const TOP = 56;

/** The chart as SVG. `fanouts` have a name and the rates of their rounds: ours, and the null server's. */
export function picture(fanouts, machine) {
  const largest = Math.max(...fanouts.flatMap(({ ours, rival }) => [...ours, ...rival]));
  const scale = (rate) => (rate / largest) * WIDTH;
  const height = TOP + fanouts.length * ROW + 20;
  const rows = fanouts.map((fanout, position) => row(fanout, TOP + position * ROW, scale));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 190}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    text(10, 22, 'Packets delivered for a second of CPU time, one core', 'font-size="15" font-weight="bold"'),
    text(10, 40, `${machine.cpu}, ${machine.system}, commit ${machine.commit}`, 'fill="#666"'),
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

function row({ name, ours, rival, rivalName }, top, scale) {
  const share = `${Math.round((median(ours) / median(rival)) * 100)} %`;
  return [
    text(LEFT - 8, top + BAR + 4, name, 'text-anchor="end"'),
    bar(ours, top, '#2563eb', `millrace, ${share}`, scale),
    bar(rival, top + BAR + 2, '#9ca3af', rivalName, scale),
  ].join('\n');
}

function bar(rates, top, fill, label, scale) {
  const [low, high, end] = [Math.min(...rates), Math.max(...rates), median(rates)].map(scale);
  const middle = top + BAR / 2;
  return [
    `<rect x="${LEFT}" y="${top}" width="${end.toFixed(1)}" height="${BAR}" fill="${fill}"/>`,
    `<path d="M${(LEFT + low).toFixed(1)} ${middle}H${(LEFT + high).toFixed(1)}" stroke="black"/>`,
    text(LEFT + Math.max(end, high) + 6, middle + 4, `${shown(median(rates))} (${label})`),
  ].join('\n');
}

function text(x, y, content, attributes = '') {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${escaped}</text>`;
}
