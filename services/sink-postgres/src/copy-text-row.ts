import type { Buffer } from 'node:buffer';
import type { ColumnSchema } from '@millrace/contract/table.js';

const ESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** Where each line begins, and after the last one the end: COPY's text format has no newline inside a row. */
export function lineStarts(text: Buffer): readonly number[] {
  const starts = [0];
  for (let end = text.indexOf(0x0a); end !== -1; end = text.indexOf(0x0a, end + 1)) starts.push(end + 1);
  return starts;
}

/**
 * A row of COPY's text format as JSON with exact values, as dead letters hold them: integers with all their digits, booleans, bytes
 * as hexadecimal with `0x`, everything else as the text that it travels as. `columns`: those of the row, in order.
 */
export function copyTextRowJson(line: Buffer, columns: readonly ColumnSchema[]): string {
  const fields = columns.length === 0 ? [] : line.toString('utf8').replace(/\n$/, '').split('\t');
  const members = columns.map((column, index) => `${JSON.stringify(column.name)}:${fieldJson(fields[index] ?? '\\N', column)}`);
  return `{${members.join(',')}}`;
}

function fieldJson(field: string, { type }: ColumnSchema): string {
  if (field === '\\N') return 'null';
  const text = field.replace(/\\(.)/gs, (_escape, character: string) => ESCAPED[character] ?? character);
  if (type.kind === 'boolean') return text === 't' ? 'true' : 'false';
  if ((type.kind === 'integer' || type.kind === 'float') && /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text)) return text;
  if (type.kind === 'bytes') return JSON.stringify(text.replace(/^\\x/, '0x'));
  return JSON.stringify(text);
}
