import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteLiteral } from '@millrace/mysql/quote-identifier.js';
import { queryRows, type Server } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';

/** Bytes of a charset to UTF-8, made from the server's own conversion. */
export interface Charset {
  readonly name: string;
  /** Most bytes of a character: what a column's length is counted in. */
  readonly maxBytes: number;
  /** The bytes are UTF-8 already. */
  readonly isUtf8: boolean;
}

export interface Collation {
  readonly id: number;
  readonly name: string;
  readonly charset: Charset;
}

export const BINARY_COLLATION = 63;
/** Charsets whose bytes are valid UTF-8. */
const UTF8 = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'ascii']);
/** Fixed-width or UTF-16: decoded without a table. */
const UNICODE = new Set(['ucs2', 'utf16', 'utf16le', 'utf32']);

const collationRow = z.object({ id: z.coerce.number(), name: z.string(), charset: z.string() });
const charsetRow = z.object({ name: z.string(), bytes: z.coerce.number() });

/** The server's collations by id: what the log calls them by. */
export async function readCollations(session: Connection, server: Server): Promise<ReadonlyMap<number, Collation>> {
  const charsets = new Map(
    (
      await queryRows(
        session,
        'SELECT CHARACTER_SET_NAME AS name, MAXLEN AS bytes FROM information_schema.CHARACTER_SETS',
        [],
        charsetRow,
      )
    ).map(({ name, bytes }) => [name, { name, maxBytes: bytes, isUtf8: UTF8.has(name) }]),
  );
  // MariaDB 10.10 gives a collation of several charsets one name, and an id with each charset.
  const perCharset = server.engine === 'mariadb' && server.version >= 10_010_001;
  const rows = await queryRows(
    session,
    perCharset
      ? 'SELECT ID AS id, FULL_COLLATION_NAME AS name, CHARACTER_SET_NAME AS charset FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY'
      : 'SELECT ID AS id, COLLATION_NAME AS name, CHARACTER_SET_NAME AS charset FROM information_schema.COLLATIONS',
    [],
    collationRow,
  );
  const collations = new Map<number, Collation>();
  for (const { id, name, charset: charsetName } of rows) {
    const charset = charsets.get(charsetName);
    if (charset !== undefined) collations.set(id, { id, name, charset });
  }
  return collations;
}

/** Turns texts of one charset into UTF-8, in space that it keeps. */
export interface TextDecoder8 {
  /** Writes `bytes[start, end)` as UTF-8 into `output` from its beginning and returns the end. */
  decode(bytes: Buffer, start: number, end: number): number;
  readonly output: Buffer;
}

/** @throws MillraceError SOURCE_CHARSET for a charset that has no decoder. */
export async function decoderFor(session: Connection, { name, maxBytes }: Charset): Promise<TextDecoder8> {
  if (UNICODE.has(name)) return new UnicodeDecoder(name);
  if (maxBytes > 3) throw new MillraceError('SOURCE_CHARSET', { charset: name });
  const table = new Map<number, Buffer>();
  const add = async (prefixes: readonly number[], firsts: readonly number[], seconds: readonly number[]): Promise<void> => {
    for (const { code, text } of await askServer(session, name, prefixes, firsts, seconds)) table.set(code, text);
  };
  await add([], [], range(0, 0xff));
  if (maxBytes >= 2) await add([], range(0x80, 0xff), range(0x20, 0xff));
  // The third set of EUC begins with 8F; no other charset of the servers has three bytes.
  if (maxBytes >= 3) await add([0x8f], range(0xa1, 0xfe), range(0xa1, 0xfe));
  return new TableDecoder(name, table);
}

const conversionRow = z.object({ code: z.string(), text: z.string() });

/** What the server makes of each sequence: those that are no character, or do not come back from Unicode, are left out. */
async function askServer(
  session: Connection,
  charset: string,
  prefixes: readonly number[],
  firsts: readonly number[],
  seconds: readonly number[],
): Promise<readonly { readonly code: number; readonly text: Buffer }[]> {
  const bytes = (values: readonly number[]): string =>
    values.map((value) => `SELECT ${quoteLiteral(hex(value))} AS h`).join(' UNION ALL ');
  const from = [firsts.length === 0 ? "(SELECT '' AS h) one" : `(${bytes(firsts)}) one`, `(${bytes(seconds)}) two`].join(', ');
  const prefix = quoteLiteral(prefixes.map(hex).join(''));
  const rows = await queryRows(
    session,
    `SELECT code, HEX(CONVERT(CONVERT(UNHEX(code) USING ${charset}) USING utf8mb4)) AS text
       FROM (SELECT CONCAT(${prefix}, one.h, two.h) AS code FROM ${from}) codes
      WHERE HEX(CONVERT(UNHEX(code) USING ${charset})) = code AND CHAR_LENGTH(CONVERT(UNHEX(code) USING ${charset})) = 1`,
    [],
    conversionRow,
  );
  return rows.map(({ code, text }) => ({ code: Number.parseInt(code, 16), text: Buffer.from(text, 'hex') }));
}

/** By a table from each character's bytes, read as one number, to its UTF-8. */
class TableDecoder implements TextDecoder8 {
  output = Buffer.allocUnsafe(1_024);
  /** By byte, where it is a character. */
  readonly #single: (Buffer | undefined)[];

  constructor(
    private readonly charset: string,
    private readonly table: ReadonlyMap<number, Buffer>,
  ) {
    this.#single = range(0, 0xff).map((byte) => table.get(byte));
  }

  decode(bytes: Buffer, start: number, end: number): number {
    // No character of two bytes or more is longer than 4 in UTF-8, and of one byte than 3.
    const room = (end - start) * 3;
    if (this.output.length < room) this.output = Buffer.allocUnsafe(room * 2);
    const { output } = this;
    let length = 0;
    for (let at = start; at < end; ) {
      const single = this.#single[bytes.readUInt8(at)];
      let character = single;
      let width = 1;
      for (let code = bytes.readUInt8(at); character === undefined && width < 3 && at + width < end; width++) {
        code = code * 256 + bytes.readUInt8(at + width);
        character = this.table.get(code);
      }
      if (character === undefined) {
        const rest = bytes.toString('hex', at, Math.min(end, at + 4));
        throw new MillraceError('SOURCE_TEXT_UNREADABLE', { charset: this.charset, bytes: rest });
      }
      for (let index = 0; index < character.length; index++) output[length++] = character[index] ?? 0;
      at += width;
    }
    return length;
  }
}

/** UCS-2, UTF-16 and UTF-32, big-endian but for utf16le. */
class UnicodeDecoder implements TextDecoder8 {
  output = Buffer.allocUnsafe(1_024);

  constructor(private readonly charset: string) {}

  decode(bytes: Buffer, start: number, end: number): number {
    const copy = Buffer.from(bytes.subarray(start, end));
    let text: string;
    if (this.charset === 'utf32') {
      text = '';
      for (let at = 0; at + 4 <= copy.length; at += 4) text += String.fromCodePoint(copy.readUInt32BE(at));
    } else text = (this.charset === 'utf16le' ? copy : copy.swap16()).toString('utf16le');
    const room = text.length * 3;
    if (this.output.length < room) this.output = Buffer.allocUnsafe(room * 2);
    return this.output.write(text, 'utf8');
  }
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}
