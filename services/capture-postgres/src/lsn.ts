import type { Position } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/**
 * A log sequence number as 16 lower-case hexadecimal digits: a position's key. Fixed width, so comparing two as text is
 * comparing the numbers; PostgreSQL's own form (`0/9A3C1F20`) does not compare as text.
 */
export type LsnKey = string;

export const LSN_ZERO: LsnKey = '0000000000000000';

/** Reads PostgreSQL's text form. @throws MillraceError SOURCE_PROTOCOL where it is none. */
export function parseLsn(text: string): LsnKey {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new MillraceError('SOURCE_PROTOCOL', { what: `"${text}" is no log sequence number` });
  const [, high = '', low = ''] = match;
  return (high.padStart(8, '0') + low.padStart(8, '0')).toLowerCase();
}

/** PostgreSQL's text form: `0/9A3C1F20`. */
export function formatLsn(key: LsnKey): string {
  const half = (digits: string): string => digits.replace(/^0+(?=.)/, '').toUpperCase();
  return `${half(key.slice(0, 8))}/${half(key.slice(8))}`;
}

export function lsnNumber(key: LsnKey): bigint {
  return BigInt(`0x${key}`);
}

export function laterLsn(left: LsnKey, right: LsnKey): LsnKey {
  return left > right ? left : right;
}

/** Bytes of log between two places; 0 where `to` does not lie behind `from`. */
export function lsnDistance(from: LsnKey, to: LsnKey): number {
  return to > from ? Number(lsnNumber(to) - lsnNumber(from)) : 0;
}

/** What a source's positions have in common: its system identifier, the database and the timeline it is on. */
export interface SourceIdentity {
  /** `<system identifier>/<database oid>`: another cluster or another database has other rows at the same LSN. */
  readonly source: string;
  readonly timeline: number;
}

export function positionAt(identity: SourceIdentity, key: LsnKey): Position {
  return { source: identity.source, timeline: identity.timeline, key };
}
