import { createHash } from 'node:crypto';
import type { TableId } from '@millrace/contract/table.js';

/** Names longer than this are cut and told apart by their digest: registries allow a few hundred characters for a subject. */
const LONGEST_PART = 120;

/**
 * The subject of a table's row schemas: `<topic>-<schema>.<table>`. Letters, digits, `_` and `-` stay; every other byte is written as `~`
 * and two hexadecimal digits, so that no name needs escaping in a URL and no two tables share a subject.
 */
export function subjectOf(topic: string, table: TableId): string {
  return `${topic}-${safe(table.schema)}.${safe(table.table)}`;
}

/** The subject of one of Millrace's own records (the "topic record name" strategy of Confluent's serializers). */
export function recordSubject(topic: string, record: string): string {
  return `${topic}-millrace.${record}`;
}

function safe(name: string): string {
  let out = '';
  for (const byte of Buffer.from(name)) {
    const letter = String.fromCharCode(byte);
    out += /[A-Za-z0-9_-]/.test(letter) ? letter : `~${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }
  if (out.length <= LONGEST_PART) return out;
  return `${out.slice(0, LONGEST_PART)}~${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}

/** Whether a subject is one of this topic's, and not of a topic whose name begins with this one's and a hyphen. */
export function isSubjectOf(topic: string, subject: string): boolean {
  return subject.startsWith(`${topic}-`) && /^[A-Za-z0-9_~-]*\.[A-Za-z0-9_~-]*$/.test(subject.slice(topic.length + 1));
}
