/** `12480` → `12,480`. */
export function count(value: number | bigint): string {
  return value.toLocaleString('en-US');
}

/** A time that a person can compare: `38 ms`, `2.4 s`, `2 m 51 s`, `3 h 05 m`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} m`;
}

/** `1.4 GB`; powers of 1,000. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let amount = value;
  let unit = 0;
  while (amount >= 1_000 && unit < units.length - 1) {
    amount /= 1_000;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit] ?? ''}`;
}

const BARS = '▁▂▃▄▅▆▇█';

/** The last values as a row of bars, scaled to the largest. */
export function sparkline(values: readonly number[]): string {
  const largest = Math.max(1, ...values);
  return values
    .map((value) => BARS.charAt(Math.min(BARS.length - 1, Math.floor((value / largest) * (BARS.length - 1)))))
    .join('');
}
