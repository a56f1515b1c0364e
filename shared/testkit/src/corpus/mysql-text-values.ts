import { expressions, type MysqlEdgeValue, texts } from './mysql-edge-value.js';

/** What the character set can write, in UTF-8: text is UTF-8 on its way, whatever it lies in. */
const BY_CHARSET: Readonly<Record<string, readonly string[]>> = {
  latin1: ['é', 'naïve ÿ', '€', 'straße'],
  latin2: ['čšž', 'Łódź'],
  latin5: ['ğüşıİ'],
  greek: ['Ελληνικά'],
  hebrew: ['שלום'],
  cp1251: ['Привет', 'ёЁ'],
  koi8r: ['Привет'],
  cp850: ['é½'],
  cp1250: ['žluťoučký'],
  ascii: ['plain'],
  utf8mb3: ['é漢字', 'ä̈'],
  utf8mb4: ['😀', '👩‍👩‍👧', '漢字かな', 'a\u0301', '\ud834\udd1e'],
  ucs2: ['é漢'],
  utf16: ['é😀'],
  utf16le: ['é😀'],
  utf32: ['é😀'],
  sjis: ['日本語', 'ｶﾅ', '表'],
  cp932: ['日本語', '①'],
  ujis: ['日本語'],
  gbk: ['中文'],
  gb2312: ['中文'],
  big5: ['中文'],
  euckr: ['한국어'],
  tis620: ['ไทย'],
};

const NOT_IN_POSTGRES = { inPostgres: false };
/** The characters that a bulk format, a statement or a shell could take for its own. */
const HOSTILE = [
  '',
  ' ',
  '  leading',
  'trailing  ',
  'tab\there',
  'line\nbreak',
  'cr\r\nlf',
  "quote ' and \\ backslash",
  '\\N',
  '\\.',
  'NULL',
  '"',
  '`',
  '\u001a',
  '%s ?',
];

const LABELS = Array.from({ length: 300 }, (_, index) => `label ${index}`);
const MEMBERS = Array.from({ length: 64 }, (_, index) => `m${index}`);
const quoted = (words: readonly string[]): string => words.map((word) => `'${word.replaceAll("'", "''")}'`).join(',');

/** Text in many character sets, bytes, enumerations and sets. */
export const MYSQL_TEXT_VALUES: readonly MysqlEdgeValue[] = [
  ...Object.entries(BY_CHARSET).flatMap(([charset, values]) => texts(`varchar(50) CHARACTER SET ${charset}`, values)),
  ...texts('varchar(100)', HOSTILE),
  ...expressions('varchar(100)', ["'nul \\0 inside'", "'\\0'"], NOT_IN_POSTGRES),
  ...texts('varchar(300)', ['x'.repeat(255), 'x'.repeat(256), 'ä'.repeat(300)]),
  ...texts('char(10)', ['', 'a', 'a b', '😀😀', '0123456789']),
  ...texts('char(255)', ['x'.repeat(255), '漢'.repeat(255)]),
  ...texts('varchar(20) COLLATE utf8mb4_bin', ['B', 'b', 'ß']),
  ...texts('tinytext', ['', 'é'.repeat(127)]),
  ...texts('text', ['', 'text', 'é'.repeat(20_000)]),
  ...expressions('mediumtext', ["REPEAT('é', 500000)"]),
  ...expressions('longtext', ["''", "REPEAT('x', 1048576)", "REPEAT('😀', 70000)"]),
  ...expressions('text CHARACTER SET latin1', ["REPEAT('é', 60000)"]),
  ...expressions('binary(4)', ['0x00000000', '0x01000000', '0x00000001', "'ab'", '0xFFFFFFFF', '0x20202020']),
  ...expressions('binary(16)', ['0x000102030405060708090A0B0C0D0E0F', '0x0F0E0D0C0B0A09080706050403020100']),
  ...expressions('varbinary(300)', ["''", '0x00', '0x0000FF', '0x5C6E', '0x0A0D09', '0xC3', `0x${hexOfAllBytes()}`]),
  ...expressions('tinyblob', ["''", '0xDEADBEEF']),
  ...expressions('blob', ["''", 'REPEAT(0x00FF, 30000)']),
  ...expressions('mediumblob', ['REPEAT(0x0001, 300000)']),
  ...expressions('longblob', ['REPEAT(0xFF, 1048576)']),
  ...texts(`enum(${quoted(['a', 'B', 'é', "it's", 'with, comma', '漢字'])})`, ['a', 'B', 'é', "it's", 'with, comma', '漢字']),
  ...texts(`enum(${quoted(LABELS)})`, ['label 0', 'label 254', 'label 255', 'label 256', 'label 299']),
  ...texts(`set(${quoted(['a', 'B', 'é'])})`, ['', 'a', 'a,é', 'a,B,é']),
  ...texts(`set(${quoted(MEMBERS)})`, ['', 'm0', 'm63', 'm31,m32', MEMBERS.join(',')]),
];

function hexOfAllBytes(): string {
  return Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('hex');
}
