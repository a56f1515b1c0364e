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
