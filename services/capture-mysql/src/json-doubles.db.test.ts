import { createMysqlDatabase, withConnection } from '@millrace/testkit/servers.js';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { doubleText } from './binlog/json-text.js';

const MANTISSAS = [
  '1',
  '1.5',
  '1.25',
  '1.2345',
  '1.23456789012',
  '1.2345678901234',
  '1.234567890123456',
  '1.2345678901234567',
  '9.999999999999999',
];

test('a double in a JSON document has the text that MySQL prints, whatever its exponent', async () => {
  const values: number[] = [0, -0];
  for (let exponent = -25; exponent < 30; exponent++)
    for (const mantissa of MANTISSAS) values.push(Number(`${mantissa}e${exponent}`), -Number(`${mantissa}e${exponent}`));
  await using database = await createMysqlDatabase('mysql');
  const printed = await withConnection(database.url, async (sql) => {
    const texts: string[] = [];
    for (let first = 0; first < values.length; first += 50) {
      const some = values.slice(first, first + 50).map((value) => `${Object.is(value, -0) ? '-' : ''}${value.toExponential()}`);
      const list = some.map((text, index) => `CAST(CAST(${text.replace('e+', 'e')} AS JSON) AS CHAR) AS c${index}`).join(', ');
      const [[row]] = await sql.query<RowDataPacket[]>(`SELECT ${list}`);
      texts.push(...some.map((_, index) => String(row?.[`c${index}`])));
    }
    return texts;
  });
  expect(values.map(doubleText)).toEqual(printed);
});
