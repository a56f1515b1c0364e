import { expressions, type MysqlEdgeValue, texts } from './mysql-edge-value.js';

const MYSQL = { engine: 'mysql' } as const;
const MARIADB = { engine: 'mariadb' } as const;

/** Documents and geometries, and the types that only one of the engines has. */
export const MYSQL_DOCUMENT_VALUES: readonly MysqlEdgeValue[] = [
  ...texts('json', [
    ...['null', 'true', 'false', '0', '-1', '1.5', '1e3', '9007199254740993', '18446744073709551615', '-9223372036854775808'],
    ...['""', '"é😀"', '"quote \\" and \\\\ backslash"', '"\\u0000"', '"line\\nbreak"', '[]', '{}', '[1, 2, [3, [4]]]'],
    ...['{"a": 1, "b": [true, null], "": "empty key"}', '{"b": 1, "aa": 2, "a": 3}', '[0.1, 1.10, 100000000000000000000]'],
    `["${'x'.repeat(300)}"]`,
    `["${'y'.repeat(70_000)}"]`,
    `[${Array.from({ length: 300 }, (_, index) => index).join(', ')}]`,
    `{${Array.from({ length: 50 }, (_, index) => `"key${index}": ${index - 25}`).join(', ')}}`,
    '{"nested": {"deeper": {"deepest": [1, {"x": "y"}]}}}',
  ]),
  // Values that JSON text has no word for, which MySQL keeps inside of a document.
  ...expressions(
    'json',
    [
      "CAST(CAST('2024-02-29' AS DATE) AS JSON)",
      "CAST(CAST('2024-02-29 12:34:56.789' AS DATETIME(6)) AS JSON)",
      "CAST(CAST('-12:34:56.5' AS TIME(6)) AS JSON)",
      'CAST(0x00FF AS JSON)',
      "JSON_ARRAY(1, -1, 65536, -65536, 4294967296, 1e100, '', NULL, true)",
    ],
    MYSQL,
  ),
  // Decimals: as a text they are doubles to it.
  ...expressions(
    'json',
    [
      'CAST(1.10 AS JSON)',
      "CAST(CAST('12345678901234567890.123' AS DECIMAL(40,10)) AS JSON)",
      "JSON_OBJECT('d', CAST('1.50' AS DECIMAL(5,2)), 'b', b'101', 'u', 18446744073709551615)",
    ],
    { ...MYSQL, inMysql: false },
  ),
  ...texts('json', ['{"kept":  "as  written" }', '{"a":1,"a":2}', '[1.0,1.00]'], MARIADB),
  ...expressions('point', [
    "ST_GeomFromText('POINT(1 2)')",
    "ST_GeomFromText('POINT(-1.5 1e10)')",
    "ST_GeomFromText('POINT(0 0)', 4326)",
  ]),
  ...expressions('linestring', ["ST_GeomFromText('LINESTRING(0 0, 1 1, 2 0)')"]),
  ...expressions('polygon', ["ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))')"]),
  ...expressions('multipoint', ["ST_GeomFromText('MULTIPOINT(0 0, 1 2)')"]),
  ...expressions('multipolygon', ["ST_GeomFromText('MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))')"]),
  ...expressions('geometrycollection', ["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')"]),
  ...expressions('geometry', ["ST_GeomFromText('POINT(3 4)')", "ST_GeomFromText('LINESTRING(0 0, 9 9)')"]),
  ...texts(
    'uuid',
    ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    MARIADB,
  ),
  ...texts('inet4', ['0.0.0.0', '127.0.0.1', '255.255.255.255'], MARIADB),
  ...texts('inet6', ['::', '::1', 'fe80::1', '2001:db8::ff00:42:8329', '::ffff:192.168.0.1'], MARIADB),
];
