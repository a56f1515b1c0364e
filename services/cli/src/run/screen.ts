import { displayTable, tableKey } from '@millrace/codec/table-key.js';
import type { TaskConfig } from '@millrace/config/task-options.js';
import { safeUrl } from '@millrace/telemetry/log.js';
import { bytes, count, duration, sparkline } from './figures.js';
import type { RunProgress, TableView } from './progress.js';

export interface Rates {
  /** Rows per second of the last samples, oldest first. */
  readonly changes: readonly number[];
  /** Rows per second by table key. */
  readonly loading: ReadonlyMap<string, number>;
}

export interface ScreenOptions {
  readonly rates: Rates;
  readonly width: number;
  readonly height: number;
  readonly nowMs: number;
}

/** Lines of the screen that are not a table's. */
const FRAME_LINES = 8;

/** What a person sees of a run: the task, its load table by table, then its changes, and what needs a hand. Never wider or higher than the terminal. */
export function screenLines(
  config: Pick<TaskConfig, 'name' | 'source' | 'target'>,
  progress: RunProgress,
  options: ScreenOptions,
): readonly string[] {
  const { rates, width, height, nowMs } = options;
  const lines = [
    '',
    ` ${config.name}   ${safeUrl(config.source)} → ${safeUrl(config.target)}   running ${duration(nowMs - progress.startedAtMs)}`,
    ` ▸ load       ${loadSummary(progress)}`,
    ...tableLines(progress, rates, Math.max(1, height - FRAME_LINES)),
    ...(progress.loaded ? [` ▸ changes    ${changesSummary(progress, rates)}`] : []),
    ...(progress.retainedLogBytes === null
      ? []
      : [` ▸ source     keeps ${bytes(progress.retainedLogBytes)} of log for this task`]),
    ...attention(config.name, progress),
  ];
  return lines.map((line) => clip(line, width));
}

function loadSummary(progress: RunProgress): string {
  const all = [...progress.tables.values()];
  if (all.length === 0) return progress.captured === null ? 'starting' : 'no table yet';
  const done = all.filter(({ state }) => state === 'completed').length;
  const rows = all.reduce((sum, table) => sum + table.rowsLoaded, 0);
  const took = progress.loadedAtMs === null ? '' : ` · done in ${duration(progress.loadedAtMs - progress.startedAtMs)}`;
  return `${count(done)} of ${count(all.length)} tables · ${count(rows)} rows${took}`;
}

/** Tables that something is going on with; once the load is done only those that are not as they should be. */
function tableLines(progress: RunProgress, rates: Rates, room: number): string[] {
  const order = ['error', 'full load', 'being reloaded', 'before load', 'cancelled', 'completed'];
  const interesting = [...progress.tables.values()]
    .filter(({ state }) => !progress.loaded || state !== 'completed')
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const shown = interesting.length > room ? interesting.slice(0, room - 1) : interesting;
  const names = Math.min(40, Math.max(12, ...shown.map(({ id }) => displayTable(id).length)));
  const lines = shown.map((table) => tableLine(table, rates.loading.get(tableKey(table.id)) ?? 0, names));
  return shown.length < interesting.length
    ? [...lines, `              … ${count(interesting.length - shown.length)} more`]
    : lines;
}

function tableLine({ id, state, rowsLoaded, estimatedRows }: TableView, perSecond: number, names: number): string {
  const name = clip(displayTable(id), names).padEnd(names);
  const loading = state === 'full load' || state === 'being reloaded';
  const share = estimatedRows === null || !loading ? '' : ` of about ${count(estimatedRows)}`;
  const rate = loading && perSecond >= 1 ? `   ${count(Math.round(perSecond))} rows/s` : '';
  const left =
    estimatedRows !== null && rate !== '' && estimatedRows > rowsLoaded
      ? `   ${duration(((estimatedRows - rowsLoaded) / perSecond) * 1_000)} left`
      : '';
  return `              ${name}  ${state.padEnd(14)} ${count(rowsLoaded)}${share} rows${rate}${left}`;
}

function changesSummary(progress: RunProgress, { changes }: Rates): string {
  const lag = progress.targetLagMs === null ? '' : `   lag ${duration(progress.targetLagMs)}`;
  const applied = `${count(progress.rowsApplied)} rows in ${count(progress.transactionsApplied)} transactions`;
  return `${count(Math.round(changes.at(-1) ?? 0))} rows/s   ${sparkline(changes)}${lag}   ${applied}`;
}

function attention(name: string, progress: RunProgress): string[] {
  const lines: string[] = [];
  if (progress.errors > 0)
    lines.push(` ▸ attention  ${count(progress.errors)} changes set aside   → millrace status --name ${name}`);
  if (progress.lastFailure !== null) lines.push(` ▸ last error ${progress.lastFailure.code}: ${progress.lastFailure.message}`);
  return lines;
}

function clip(line: string, width: number): string {
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}
