import { Buffer } from 'node:buffer';
import type { Row, Value } from '@millrace/contract/row.js';
import { describe, expect, test } from 'vitest';
import { ENGINES, type Engine, SinkFixture } from './testing/sink-fixture.js';
import { column } from './testing/table-schemas.js';

/** A declaration, values as the journal holds them, and what the server prints of each (undefined: the text itself). */
interface Corpus {
  readonly declaration: string;
  readonly values: readonly Value[];
  readonly read?: string;
  readonly printed?: readonly unknown[];
  readonly collation?: string;
}

const EVERY_BYTE = new Uint8Array(Buffer.from([...Array(256).keys()]));
const TEXTS = [
  '',
  ' ',
  'plain',
  '\0',
  'a\0b',
  '\\',
  '\\N',
  '\\0',
  "it's",
  '"',
  '`',
  'a\tb',
  'a\nb',
  '\r\n',
  '\u001a',
  '%_',
  '?',
  '; DROP',
  '--',
  '😀𝄞',
  'é',
  'ß',
  '\ufeff',
  'NULL',
];
const POINT = new Uint8Array(Buffer.from('000000000101000000000000000000f03f0000000000000040', 'hex'));

const CORPUS: readonly Corpus[] = [
  { declaration: 'tinyint', values: [-128, 0, 127] },
  { declaration: 'tinyint(1)', values: [-128, 0, 1, 127] },
  { declaration: 'tinyint unsigned', values: [0, 255] },
  { declaration: 'smallint unsigned', values: [0, 65_535] },
  { declaration: 'mediumint', values: [-8_388_608, 8_388_607] },
  { declaration: 'int', values: [-2_147_483_648, 2_147_483_647] },
  { declaration: 'int unsigned', values: [0n, 4_294_967_295n] },
  { declaration: 'bigint', values: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n, 9_007_199_254_740_993n] },
  { declaration: 'bigint unsigned', values: ['0', '18446744073709551615'] },
  { declaration: 'year', values: [0, 1901, 2155], printed: ['0000', '1901', '2155'], read: 'CAST(v AS CHAR)' },
  {
    declaration: 'decimal(65,30)',
    values: ['0.000000000000000000000000000000', '-99999999999999999999999999999999999.999999999999999999999999999999'],
  },
  { declaration: 'double', values: [0, -0, 1.5, 5e-324, 1.7976931348623157e308, 0.1, -1e-10] },
  { declaration: 'float', values: [0, 1.5, 3.4028234663852886e38, Math.fround(0.1), 1.401298464324817e-45] },
  { declaration: 'varchar(300)', values: TEXTS },
  { declaration: 'longtext', values: [...TEXTS, 'x'.repeat(300_000)] },
  { declaration: 'char(10)', values: ['', 'é😀', 'abc'] },
  { declaration: 'varchar(20)', values: ['é', 'ÿ', '\\'], collation: 'latin1_swedish_ci' },
  { declaration: 'varbinary(300)', values: [new Uint8Array(0), EVERY_BYTE, new Uint8Array([0]), new Uint8Array([0x5c, 0x4e])] },
  { declaration: 'longblob', values: [EVERY_BYTE, new Uint8Array(200_000)] },
  { declaration: 'binary(4)', values: [new Uint8Array([1, 0, 0, 0]), new Uint8Array([0, 0, 0, 0])] },
  { declaration: 'bit(1)', values: ['0', '1'] },
  { declaration: 'bit(64)', values: ['1'.repeat(64), '0'.repeat(64), `1${'0'.repeat(63)}`] },
  { declaration: 'bit(10)', values: ['0000110001'] },
  { declaration: 'date', values: ['0000-00-00', '2024-00-00', '2024-02-29', '9999-12-31'] },
  { declaration: 'datetime', values: ['0000-00-00 00:00:00', '1000-01-01 00:00:00', '9999-12-31 23:59:59'] },
  { declaration: 'datetime(6)', values: ['2024-02-29 23:59:59.999999', '2024-01-01 00:00:00.000001'] },
  {
    declaration: 'timestamp(3)',
    values: ['1970-01-01 00:00:01.000+00', '2038-01-19 03:14:07.999+00', '0000-00-00 00:00:00.000+00'],
    printed: ['1970-01-01 00:00:01.000', '2038-01-19 03:14:07.999', '0000-00-00 00:00:00.000'],
  },
  { declaration: 'time', values: ['-838:59:59', '838:59:59', '00:00:00', '-00:00:01'] },
  { declaration: 'time(6)', values: ['-838:59:58.999999', '00:00:00.000001'] },
  { declaration: "enum('a','B b','it''s')", values: ['a', 'B b', "it's"] },
  { declaration: "set('a','b','c')", values: ['', 'a', 'a,c'] },
  { declaration: 'json', values: ['{"a": [1, 2.5, null, "x\\ny"]}', '"\\\\"', 'null', '12345678901234567890'] },
  { declaration: 'point', values: [POINT], read: 'HEX(v)', printed: [Buffer.from(POINT).toString('hex').toUpperCase()] },
];

/** What the server is asked for, and what it has to say. */
function reading(engine: Engine, corpus: Corpus): { readonly select: string; readonly expected: readonly unknown[] } {
  const { declaration, values, printed } = corpus;
  if (declaration.startsWith('bit')) {
    const digits = Number(/\d+/.exec(declaration)?.[0]);
    return { select: `LPAD(BIN(v), ${digits}, '0')`, expected: values };
  }
  if (/binary|blob/.test(declaration))
    return {
      select: 'HEX(v)',
      expected: values.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex').toUpperCase() : null)),
    };
  // MariaDB has no negative zero, in whatever way it comes.
  if (declaration === 'double')
    return { select: 'v', expected: values.map((value) => (engine === 'mariadb' && value === 0 ? 0 : value)) };
  if (declaration === 'float') return { select: 'v + 0e0', expected: values };
  if (printed !== undefined) return { select: corpus.read ?? 'v', expected: printed };
  return { select: 'CAST(v AS CHAR)', expected: values.map(String) };
}

describe.each(ENGINES)('%s holds every value', (engine) => {
  test.each(CORPUS.map((corpus) => [corpus.declaration + (corpus.collation ?? ''), corpus] as const))(
    '%s, the same by load, by change and by change alone',
    async (_name, corpus) => {
      await using fixture = await SinkFixture.open(engine);
      const more = corpus.collation === undefined ? {} : { collation: corpus.collation };
      const version = fixture.table(
        't',
        [column('id', 'int', { nullable: false }), column('v', corpus.declaration, more)],
        ['id'],
      );
      const rows: Row[] = [...corpus.values, null].map((value, index) => [index, value]);
      await fixture.load(version, rows);
      await fixture.sink.finishLoad(version, '1.1', 1);
      const { select, expected } = reading(engine, corpus);
      const read = async (): Promise<readonly unknown[]> =>
        (await fixture.rows(`SELECT ${select} FROM t ORDER BY id`)).map(([value]) => value);
      expect(await fixture.sink.deadLetters(10)).toEqual([]);
      expect(await read()).toEqual([...expected, null]);

      const deletes = rows.map((before) => ({ kind: 'delete' as const, table: version, before }));
      const inserts = rows.map((after) => ({ kind: 'insert' as const, table: version, after }));
      expect(await fixture.apply(deletes)).toMatchObject({ errors: 0 });
      expect(await fixture.apply(inserts)).toMatchObject({ errors: 0 });
      expect(await read()).toEqual([...expected, null]);

      // Through null and back, as updates.
      const nulls = rows.map((before): Row => [before[0] ?? 0, null]);
      const away = rows.map((before, index) => ({ kind: 'update' as const, table: version, before, after: nulls[index] ?? [] }));
      const back = rows.map((after, index) => ({ kind: 'update' as const, table: version, before: nulls[index] ?? [], after }));
      expect(await fixture.apply(away)).toMatchObject({ errors: 0 });
      expect(new Set(await read())).toEqual(new Set([null]));
      expect(await fixture.apply(back)).toMatchObject({ errors: 0 });
      expect(await read()).toEqual([...expected, null]);
    },
  );

  test.each(CORPUS.map((corpus) => [corpus.declaration + (corpus.collation ?? ''), corpus] as const))(
    '%s identifies rows of a table without a key',
    async (_name, corpus) => {
      await using fixture = await SinkFixture.open(engine);
      const more = corpus.collation === undefined ? {} : { collation: corpus.collation };
      const version = fixture.table('t', [column('n', 'int'), column('v', corpus.declaration, more)], []);
      await fixture.create(version);
      const rows: Row[] = [...corpus.values, null].map((value, index) => [index % 2, value]);
      await fixture.apply(rows.map((after) => ({ kind: 'insert' as const, table: version, after })));
      const moved = rows.map((row): Row => [7, row[1] ?? null]);
      const updates = rows.map((before, index) => ({
        kind: 'update' as const,
        table: version,
        before,
        after: moved[index] ?? [],
      }));
      expect(await fixture.apply(updates)).toMatchObject({ errors: 0 });
      expect(await fixture.rows('SELECT CAST(COUNT(*) AS CHAR) FROM t WHERE n = 7')).toEqual([[String(rows.length)]]);
      expect(await fixture.apply(moved.map((before) => ({ kind: 'delete' as const, table: version, before })))).toMatchObject({
        errors: 0,
      });
      expect(await fixture.rows('SELECT n FROM t')).toEqual([]);
    },
  );
});
