import type { Engine } from './capture-harness.js';

export interface EdgeColumn {
  readonly declaration: string;
  /** SQL expressions of the values, besides NULL. */
  readonly literals: readonly string[];
  /** An expression that prints the value as the row image has it; null: compared between snapshot and log alone. */
  readonly printed: string | null;
}

const TEXTS = ["''", "' '", "'a '", "'NULL'", "'\\\\N'", "'a\\tb\\nc'", "'quote '' \" \\\\'", "'é ü ß'"];
const UNICODE = [...TEXTS, "'日本語'", "'e\u0301 \u202e'"];
const PLANES = [...UNICODE, "'\u{1f600} \u{10ffff}'"];

const COMMON: readonly EdgeColumn[] = [
  { declaration: 'tinyint', literals: ['-128', '0', '127'], printed: 'c' },
  { declaration: 'tinyint unsigned', literals: ['0', '128', '255'], printed: 'c' },
  { declaration: 'tinyint(1)', literals: ['0', '1', '2'], printed: 'c' },
  { declaration: 'smallint', literals: ['-32768', '-1', '32767'], printed: 'c' },
  { declaration: 'smallint unsigned', literals: ['0', '32768', '65535'], printed: 'c' },
  { declaration: 'mediumint', literals: ['-8388608', '-1', '8388607'], printed: 'c' },
  { declaration: 'mediumint unsigned', literals: ['0', '8388608', '16777215'], printed: 'c' },
  { declaration: 'int', literals: ['-2147483648', '-1', '2147483647'], printed: 'c' },
  { declaration: 'int unsigned', literals: ['0', '2147483648', '4294967295'], printed: 'c' },
  { declaration: 'int(8) unsigned zerofill', literals: ['0', '42', '4294967295'], printed: 'c + 0' },
  {
    declaration: 'bigint',
    literals: ['-9223372036854775808', '-9007199254740993', '9007199254740993', '9223372036854775807'],
    printed: 'c',
  },
  { declaration: 'bigint unsigned', literals: ['0', '9223372036854775808', '18446744073709551615'], printed: 'c' },
  {
    declaration: 'decimal(65,30)',
    literals: [
      '0',
      '-0.000000000000000000000000000001',
      '99999999999999999999999999999999999.999999999999999999999999999999',
      '-12345678901234567890.5',
    ],
    printed: 'c',
  },
  { declaration: 'decimal(10,0)', literals: ['0', '-9999999999', '1000000000'], printed: 'c' },
  { declaration: 'decimal(9,9)', literals: ['0.999999999', '-0.000000001', '0'], printed: 'c' },
  { declaration: 'decimal(5,2) zerofill', literals: ['0', '1.5', '999.99'], printed: 'c + 0' },
  { declaration: 'decimal(19,4)', literals: ['-123456789012345.6789', '100000000.0001', '0.01'], printed: 'c' },
  { declaration: 'float', literals: ['0', '-0e0', '1.1', '3.4028234e38', '1.4e-45', '16777217', '-123.456'], printed: null },
  { declaration: 'float(7,3)', literals: ['1.2345', '-9999.999'], printed: null },
  {
    declaration: 'double',
    literals: ['0', '-0e0', '0.1', '1.7976931348623157e308', '5e-324', '9007199254740993', '1e15', '1e-15'],
    printed: null,
  },
  { declaration: 'double(10,2)', literals: ['1.005', '-12345678.91'], printed: null },
  { declaration: 'year', literals: ['0', '1901', '1970', '2155'], printed: 'c + 0' },
  {
    declaration: 'date',
    literals: ["'0000-00-00'", "'2024-00-00'", "'2024-02-00'", "'1000-01-01'", "'2024-02-29'", "'9999-12-31'"],
    printed: 'c',
  },
  {
    declaration: 'datetime',
    literals: ["'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'2024-10-27 02:30:00'"],
    printed: 'c',
  },
  { declaration: 'datetime(1)', literals: ["'2024-02-29 23:59:59.9'", "'2000-01-01 00:00:00.0'"], printed: 'c' },
  { declaration: 'datetime(3)', literals: ["'2024-02-29 23:59:59.987'", "'1969-12-31 23:59:59.001'"], printed: 'c' },
  { declaration: 'datetime(6)', literals: ["'2024-02-29 23:59:59.987654'", "'1969-12-31 23:59:59.000001'"], printed: 'c' },
  {
    declaration: 'timestamp NULL',
    literals: ["'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2024-03-31 01:30:00'", "'0000-00-00 00:00:00'"],
    printed: "CONCAT(c, '+00')",
  },
  {
    declaration: 'timestamp(6) NULL',
    literals: ["'1970-01-01 00:00:01.000001'", "'2000-02-29 12:34:56.123456'"],
    printed: "CONCAT(c, '+00')",
  },
  {
    declaration: 'timestamp(3) NULL',
    literals: ["'2001-01-01 00:00:00.5'", "'2037-12-31 23:59:59.999'"],
    printed: "CONCAT(c, '+00')",
  },
  { declaration: 'time', literals: ["'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'", "'23:59:59'"], printed: 'c' },
  { declaration: 'time(1)', literals: ["'-00:00:00.1'", "'100:00:00.9'"], printed: 'c' },
  { declaration: 'time(3)', literals: ["'-00:00:00.001'", "'12:34:56.789'"], printed: 'c' },
  {
    declaration: 'time(6)',
    literals: ["'-838:59:58.999999'", "'838:59:58.999999'", "'-00:00:00.000001'", "'-01:00:00.5'"],
    printed: 'c',
  },
  { declaration: 'bit(1)', literals: ["b'0'", "b'1'"], printed: "LPAD(BIN(c + 0), 1, '0')" },
  { declaration: 'bit(12)', literals: ["b'0'", "b'100000000001'"], printed: "LPAD(BIN(c + 0), 12, '0')" },
  {
    declaration: 'bit(64)',
    literals: ["b'0'", '0xffffffffffffffff', '0x8000000000000001'],
    printed: "LPAD(BIN(c + 0), 64, '0')",
  },
  { declaration: 'char(10) CHARACTER SET utf8mb4', literals: PLANES.filter((text) => text.length < 14), printed: 'c' },
  { declaration: 'varchar(200) CHARACTER SET utf8mb4', literals: [...PLANES, "REPEAT('é', 200)"], printed: 'c' },
  { declaration: 'varchar(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin', literals: PLANES, printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET utf8', literals: UNICODE, printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET latin1', literals: [...TEXTS, "_latin1 x'80818d8f909d9fa0ff'"], printed: 'c' },
  { declaration: 'char(20) CHARACTER SET latin1', literals: TEXTS, printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET latin2', literals: ["'ąćęłńóśźż'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET cp1251', literals: ["'Привет'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET sjis', literals: ["'日本語'", "'ｱｲｳ'", "_sjis x'815c5c'", "'表能ソ'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET cp932', literals: ["'①Ⅳ㈱'", "'髙﨑'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET ujis', literals: ["'日本語'", "'ｱｲｳ'", "'丂'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET gbk', literals: ["'中文'", "'誠'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET big5', literals: ["'繁體中文'", "'許功蓋'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET euckr', literals: ["'한국어'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET ucs2', literals: ["'日本 é'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET utf16', literals: ["'日本 \u{1f600}'"], printed: 'c' },
  { declaration: 'varchar(50) CHARACTER SET utf32', literals: ["'日本 \u{1f600}'"], printed: 'c' },
  { declaration: 'tinytext', literals: UNICODE.slice(0, 4), printed: 'c' },
  { declaration: 'text CHARACTER SET utf8mb4', literals: [...PLANES, "REPEAT('x', 60000)"], printed: 'c' },
  { declaration: 'mediumtext CHARACTER SET utf8mb4', literals: ["REPEAT('日', 100000)"], printed: 'c' },
  { declaration: 'longtext CHARACTER SET latin1', literals: ["REPEAT('é', 70000)"], printed: 'c' },
  { declaration: 'binary(4)', literals: ["x'00000000'", "x'01020000'", "x'ff'", "x'20202020'"], printed: null },
  { declaration: 'binary(255)', literals: ["x'01'"], printed: null },
  { declaration: 'varbinary(20)', literals: ["''", "x'00'", "x'0100'", "x'ff00ff'"], printed: null },
  { declaration: 'varbinary(300)', literals: ["x'00ff'", "REPEAT(x'00', 300)"], printed: null },
  { declaration: 'tinyblob', literals: ["''", "x'00'"], printed: null },
  { declaration: 'blob', literals: ["x'fffe00'", "REPEAT(x'80', 65535)"], printed: null },
  { declaration: 'longblob', literals: ["REPEAT(x'00', 300000)"], printed: null },
  { declaration: "enum('a','it''s','é','')", literals: ["'a'", "'it''s'", "'é'", '0'], printed: 'c' },
  { declaration: "enum('a','é') CHARACTER SET latin1", literals: ["'a'", "'é'", '0'], printed: 'c' },
  { declaration: "set('a','b','it''s','é')", literals: ["''", "'a'", "'a,it''s,é'", "'b'"], printed: 'c' },
  { declaration: "set('x','é') CHARACTER SET latin1", literals: ["'x,é'"], printed: 'c' },
  {
    declaration: 'geometry',
    literals: ["ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0, 1 1)')"],
    printed: null,
  },
  { declaration: 'point', literals: ["ST_GeomFromText('POINT(-1.5 2e10)')"], printed: null },
];

const JSON_TEXTS = [
  'null',
  'true',
  '""',
  '"\\\\u0001 \\\\" \\\\\\\\ / é 日 \u{1f600} \\\\b\\\\f\\\\n\\\\r\\\\t \\\\u007f"',
  '0',
  '-1',
  '32768',
  '-2147483649',
  '4294967296',
  '18446744073709551615',
  '-9223372036854775808',
  '1.0',
  '-0.0',
  '0.1',
  '1e15',
  '1e14',
  '123456789012345.6',
  '1234567890123456.7',
  '1e-5',
  '1.5e-14',
  '1e-16',
  '1.7976931348623157e308',
  '5e-324',
  '1e100',
  '0.30000000000000004',
  '[]',
  '{}',
  '[1, [2, {"a": [3]}], "x"]',
  '{"b": 1, "a": 2, "aa": {"é": null}, "": false}',
].map((text) => `'${text}'`);

const MYSQL: readonly EdgeColumn[] = [
  {
    declaration: 'json',
    literals: [
      ...JSON_TEXTS,
      'CAST(12345.678900 AS JSON)',
      'JSON_ARRAY(CAST(1.10 AS DECIMAL(20,10)), -0.5)',
      "CAST(CAST('2024-02-29' AS DATE) AS JSON)",
      "CAST(CAST('2024-02-29 12:34:56.5' AS DATETIME(6)) AS JSON)",
      "CAST(CAST('-12:34:56.000001' AS TIME(6)) AS JSON)",
      "CAST(x'cafe00' AS JSON)",
      "CAST(b'101' AS JSON)",
      "CAST(JSON_OBJECT('big', REPEAT('x', 70000), 'n', 1) AS JSON)",
      "JSON_ARRAY(REPEAT('y', 66000), 70000, 1.5)",
    ],
    printed: 'c',
  },
  { declaration: 'varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci', literals: PLANES.slice(0, 6), printed: 'c' },
];

const MARIADB: readonly EdgeColumn[] = [
  { declaration: 'json', literals: JSON_TEXTS, printed: 'c' },
  {
    declaration: 'uuid',
    literals: [
      "'123e4567-e89b-12d3-a456-426655440000'",
      "'00000000-0000-0000-0000-000000000000'",
      "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
      "'0189d7a0-1234-7abc-9def-0123456789ab'",
      "'6ccd780c-baba-4026-9564-5b8c656024db'",
    ],
    printed: 'c',
  },
  {
    declaration: 'inet6',
    literals: [
      "'::'",
      "'::1'",
      "'2001:db8::ff00:42:8329'",
      "'::ffff:192.0.2.1'",
      "'::192.0.2.1'",
      "'1:0:0:2:0:0:0:3'",
      "'fe80::'",
      "'1:2:3:4:5:6:7:8'",
      "'1:0:2:3:4:5:6:7'",
    ],
    printed: 'c',
  },
  { declaration: 'inet4', literals: ["'0.0.0.0'", "'192.168.1.0'", "'255.255.255.255'"], printed: 'c' },
];

export function edgeColumns(engine: Engine): readonly EdgeColumn[] {
  return [...COMMON, ...(engine === 'mysql' ? MYSQL : MARIADB)];
}
