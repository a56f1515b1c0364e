import { closeSync, openSync } from 'node:fs';

/**
 * Where this process is to end itself: `MILLRACE_CRASH_AT=<point>[:n]`, at the n-th time, the first without n. With
 * `MILLRACE_CRASH_ONCE=<file>` only the first process that gets there does, which leaves the file. Set by tests alone.
 */
const order = parseOrder(process.env['MILLRACE_CRASH_AT']);
const onceFile = process.env['MILLRACE_CRASH_ONCE'];
let passed = 0;

/**
 * A named place at which a test may crash the process, as a power cut would: by SIGKILL, with no handler run. Does nothing where
 * the environment names no place; costs one comparison, so keep it out of loops over rows all the same.
 */
export function crashPoint(name: string): void {
  if (order === undefined || order.name !== name) return;
  passed += 1;
  if (passed === order.occurrence && isFirst()) process.kill(process.pid, 'SIGKILL');
}

function isFirst(): boolean {
  if (onceFile === undefined) return true;
  try {
    closeSync(openSync(onceFile, 'wx'));
    return true;
  } catch {
    return false;
  }
}

/** Undefined for an empty or missing order. */
export function parseOrder(text: string | undefined): { readonly name: string; readonly occurrence: number } | undefined {
  if (text === undefined || text === '') return undefined;
  const [name = '', occurrence = '1'] = text.split(':');
  return { name, occurrence: Number(occurrence) };
}
