// Figures as a table for the terminal.

const colour = process.stdout.isTTY ? (code, text) => `\u001b[${code}m${text}\u001b[0m` : (_code, text) => text;

/** A number with three significant digits and thousands apart. */
export function shown(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

/** The table, one line a figure: median, range of the rounds, bar, verdict. */
export function table(figures) {
  const rows = figures.map(({ name, value, unit, rounds, bar, ok }) => [
    name,
    `${shown(value)} ${unit}`.trimEnd(),
    rounds.length > 1 ? `${shown(Math.min(...rounds))} – ${shown(Math.max(...rounds))}` : '',
    barText(bar),
    ok === null ? '' : ok ? 'ok' : 'MISSED',
  ]);
  const all = [['figure', 'median', 'range', 'bar', ''], ...rows];
  return tableOf(all, (row, line) => (row[4] === 'MISSED' ? colour(31, line) : line));
}

/** Rows of cells as lines with columns; `paint` may colour a line. */
export function tableOf(rows, paint = (_row, line) => line) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd();
  return rows.map((row) => paint(row, line(row))).join('\n');
}

function barText(bar) {
  if (!bar) return '';
  return bar.least === undefined ? `≤ ${shown(bar.most)}` : `≥ ${shown(bar.least)}`;
}
