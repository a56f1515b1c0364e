import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MILLRACE_DIR, REPOSITORY_ROOT } from '@millrace/local/paths.js';
import type { Line } from './line.js';

const BEGIN = '<!-- bench -->';
const END = '<!-- /bench -->';
const HEAD = ['line', 'Millrace', 'peer', 'ratio', 'goal', 'CPU µs/row', 'peak RSS', 'holds'] as const;

/** Writes `.millrace/NAME.json` and returns its path. */
export async function writeJson(name: string, lines: readonly Line[]): Promise<string> {
  const path = join(MILLRACE_DIR, `${name}.json`);
  await writeFile(path, `${JSON.stringify({ lines }, null, 2)}\n`);
  return path;
}

/** Puts the table between the README's markers. */
export async function writeReadme(lines: readonly Line[], machine: string): Promise<void> {
  const path = join(REPOSITORY_ROOT, 'README.md');
  await writeFile(path, withTable(await readFile(path, 'utf8'), markdown(lines, machine)));
}

/** @throws Error where the text has no markers */
export function withTable(text: string, table: string): string {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END, from);
  if (from < 0 || to < 0) throw new Error(`README.md has no ${BEGIN} … ${END}`);
  return `${text.slice(0, from + BEGIN.length)}\n${table}\n${text.slice(to)}`;
}

export function markdown(lines: readonly Line[], machine: string): string {
  const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [row(HEAD), `|${'---|'.repeat(HEAD.length)}`, ...lines.map((line) => row(cells(line))), '', machine].join('\n');
}

/** The table for a terminal: columns aligned. */
export function terminalTable(lines: readonly Line[]): string {
  const rows = [HEAD, ...lines.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cells(line: Line): readonly string[] {
  const { name, value, unit, runs, peer, peerValue, ratio, goal, cpuMicrosPerRow, peakRssMb, holds } = line;
  const range = runs.length > 1 ? ` (${number(Math.min(...runs))}–${number(Math.max(...runs))})` : '';
  return [
    name,
    `${number(value)} ${unit}${range}`,
    peer === null || peerValue === null ? '' : `${peer}: ${number(peerValue)}`,
    ratio === null ? '' : ratio.toFixed(2),
    goal,
    cpuMicrosPerRow === null ? '' : number(cpuMicrosPerRow),
    peakRssMb === null ? '' : `${Math.round(peakRssMb)} MB`,
    holds === null ? '' : holds ? 'yes' : 'no',
  ];
}

/** Three significant figures or more. */
function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}
