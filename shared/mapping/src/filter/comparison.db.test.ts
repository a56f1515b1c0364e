import type { LogicalType } from '@millrace/contract/table.js';
import { sharedServers, withClient } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { TEXT, TIMESTAMP, TIMESTAMPTZ } from '../testing/tables.js';
import { valueOfText } from '../transform/convert.js';
import { comparisonWith } from './comparison.js';

const CASES: readonly (readonly [string, LogicalType, readonly string[]])[] = [
  ['bool', { kind: 'boolean' }, ['t', 'false', 'on', '0']],
  ['int8', { kind: 'integer', bits: 64 }, ['9223372036854775807', '9223372036854775806', '-1', '0']],
  ['float8', { kind: 'float', bits: 64 }, ['1', 'NaN', 'Infinity', '-Infinity', '-0', '0', '0.1', '1e300']],
  ['float4', { kind: 'float', bits: 32 }, ['0.1', '0.10000000149011612', 'NaN', '-0']],
  [
    'numeric',
    { kind: 'decimal', precision: null, scale: null },
    ['1.0', '1', 'NaN', 'Infinity', '-Infinity', '1e20', '0', '0.00001', '123456789012345678901234567890.1'],
  ],
  ['text', TEXT, ['a', 'B', 'a ', 'ä', '\u{10000}', '\uffff', '']],
  ['bpchar', { kind: 'text', maxLength: 5, padded: true }, ['a', 'a ', 'b', '']],
  ['bytea', { kind: 'bytes', maxLength: null }, ['\\x', '\\x00', '\\x00ff', '\\xff']],
  ['uuid', { kind: 'uuid' }, ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12}']],
  ['date', { kind: 'date' }, ['2024-01-01', 'infinity', '-infinity', '0044-03-15 BC', '5874897-12-31']],
  ['time', { kind: 'time', precision: 6, withZone: false }, ['10:00', '24:00:00', '00:00:00', '23:59:59.999999']],
  [
    'timetz',
    { kind: 'time', precision: 6, withZone: true },
    ['10:00:00+02', '08:00:00+00', '00:00:00+00', '24:00:00-05', '23:59:59.999999-12', '08:00:00+05:30'],
  ],
  [
    'timestamp',
    TIMESTAMP,
    ['2024-01-01 10:00:00', '2024-01-01T10:00:00.000001', 'infinity', '0001-01-01 00:00:00 BC', '4713-01-01 BC'],
  ],
  [
    'timestamptz',
    TIMESTAMPTZ,
    [
      '2024-01-01 10:00:00+02',
      '2024-01-01 08:00:00',
      'infinity',
      '-infinity',
      '0044-03-15 12:00:00 BC',
      '294276-12-31 23:59:59.999999',
      '2024-01-01 08:00:00Z',
    ],
  ],
];

const answer = z.object({ text: z.string(), less: z.boolean(), equal: z.boolean() });

test.each(CASES)('values of type %s compare as PostgreSQL compares them', async (name, type, texts) => {
  await withClient(await sharedServers().postgres(), async (client) => {
    await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1");
    const collate = type.kind === 'text' ? ' COLLATE "C"' : '';
    const [a, b] = [`$1::${name}${collate}`, `$2::${name}${collate}`];
    for (const left of texts) {
      for (const right of texts) {
        const { rows } = await client.query(`SELECT ($1::${name})::text AS text, ${a} < ${b} AS less, ${a} = ${b} AS equal`, [
          left,
          right,
        ]);
        const expected = answer.parse(rows[0]);
        const value = valueOfText(expected.text, type);
        const order = comparisonWith(type, right)(type.kind === 'float' && type.bits === 32 ? Math.fround(Number(value)) : value);
        expect({ left, right, less: order < 0, equal: order === 0 }).toEqual({
          left,
          right,
          less: expected.less,
          equal: expected.equal,
        });
      }
    }
  });
});
