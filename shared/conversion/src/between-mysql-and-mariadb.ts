import { type ColumnPlace, plainType, type TargetType, type TypeRule } from './rule.js';

/** MariaDB knows MySQL's 0900 collations by name from here on (MDEV-20912). */
const MARIADB_KNOWS_0900_SINCE = 11_004_005;
const MARIADB_UCA1400_SINCE = 10_010_001;

const SAME_TYPE: Omit<TypeRule, 'to'> = {
  shown: 'every other type',
  becomes: 'itself',
  fidelity: 'exact',
  note: 'A collation that the target lacks becomes its nearest one: two texts that differ to the source may then be one key to the target, which refuses the second.',
};

/** MySQL's types in MariaDB. */
export const MYSQL_TO_MARIADB: readonly TypeRule[] = [
  {
    names: ['json'],
    shown: 'json',
    becomes: 'json',
    fidelity: 'exact',
    note: "MariaDB's json is a longtext with a check: the text as MySQL prints it.",
    to: ({ column }) => ({ name: 'longtext', declaration: 'json', collation: column.collation }),
  },
  {
    names: ['geomcollection'],
    shown: 'geometrycollection',
    becomes: 'geometrycollection',
    fidelity: 'exact',
    note: 'Which MySQL 8 calls geomcollection.',
    to: () => plainType('geometrycollection'),
  },
  { ...SAME_TYPE, to: (place) => sameType(place, mariadbCollation) },
];

/** MariaDB's types in MySQL. */
export const MARIADB_TO_MYSQL: readonly TypeRule[] = [
  {
    names: ['uuid'],
    shown: 'uuid',
    becomes: 'char(36)',
    fidelity: 'exact',
    note: '',
    to: () => ({ name: 'char', declaration: 'char(36)', collation: 'ascii_bin' }),
  },
  {
    names: ['inet4', 'inet6'],
    shown: 'inet4, inet6',
    becomes: 'varchar(45)',
    fidelity: 'widens',
    note: '',
    to: () => ({ name: 'varchar', declaration: 'varchar(45)', collation: 'ascii_bin' }),
  },
  {
    names: ['longtext'],
    when: ({ column: { type } }) => type.kind === 'json',
    shown: 'json',
    becomes: 'longtext',
    fidelity: 'widens',
    note: "MariaDB keeps a JSON's text, and so does this; MySQL's json would write it anew.",
    to: () => ({ name: 'longtext', declaration: 'longtext', collation: 'utf8mb4_bin' }),
  },
  { ...SAME_TYPE, to: (place) => sameType(place, mysqlCollation) },
];

function sameType(
  { column: { native, collation }, target }: ColumnPlace,
  translate: (collation: string, version: number) => string,
): TargetType {
  return {
    name: native.name,
    declaration: native.declaration,
    collation: collation === null ? null : translate(collation, target.version),
  };
}

/** `utf8mb4_0900_ai_ci` → the same rules of comparison under MariaDB's name for them, or the Unicode ones that every version has. */
function mariadbCollation(collation: string, version: number): string {
  const found = /^utf8mb4_(?:\w+_)?0900_(\w+)$/.exec(collation);
  if (found === null || version >= MARIADB_KNOWS_0900_SINCE) return collation;
  const sensitivity = found[1] ?? '';
  if (sensitivity === 'bin') return 'utf8mb4_nopad_bin';
  return version >= MARIADB_UCA1400_SINCE ? `utf8mb4_uca1400_nopad_${sensitivity}` : 'utf8mb4_unicode_520_nopad_ci';
}

function mysqlCollation(collation: string): string {
  const uca = /^(utf8mb4|utf8mb3|ucs2|utf16|utf32)_(?:uca1400|unicode_520|unicode|general1400)_(?:\w+_)?nopad_(\w+)$/.exec(
    collation,
  );
  if (uca !== null || /_uca1400_/.test(collation))
    return `utf8mb4_0900_${/_as_cs$/.test(collation) ? 'as_cs' : /_as_ci$/.test(collation) ? 'as_ci' : 'ai_ci'}`;
  return collation.replace(/_nopad(_bin|_ci)$/, '$1');
}
