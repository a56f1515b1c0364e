import type { MysqlEngine } from '@millrace/local/mysql-binaries.js';
import type { StackEngine } from '@millrace/local/stack.js';
import { mysqlEdgeTables } from '../corpus/mysql-edge-values.js';
import type { EndSession } from './engine-pair.js';
import type { Dice } from './random-history.js';

interface RandomColumn {
  readonly name: string;
  readonly type: string;
  /** SQL literals. */
  readonly values: readonly string[];
}

export interface MysqlRandomTable {
  readonly table: string;
  /** Qualified. */
  readonly name: string;
  readonly columns: readonly RandomColumn[];
  readonly key: 'integer' | 'text' | 'binary' | 'two columns' | 'none';
  readonly create: string;
}

const KEYS: readonly MysqlRandomTable['key'][] = ['integer', 'text', 'binary', 'two columns', 'none'];
/** Keys are few, so that histories meet: rows are changed, deleted and made again. */
const KEY_SPACE = 300;
const LARGE = ['REPEAT(MD5(RAND()), 300)', "REPEAT('é', 5000)", "''", 'NULL'];

/** A few tables, one of each kind of key, with columns of random types over the values that the target has too. */
export function mysqlRandomTables(
  dice: Dice,
  place: { readonly schema: string; readonly engine: MysqlEngine; readonly target: StackEngine },
): readonly MysqlRandomTable[] {
  const types = mysqlEdgeTables(place.engine).flatMap(({ type, values }) => {
    const held = values
      .filter(
        ({ inPostgres, inMysql, literal }) =>
          (place.target === 'postgres' ? inPostgres : place.target === 'mysql' ? inMysql : true) &&
          literal.length < 300 &&
          !literal.includes('REPEAT'),
      )
      .map(({ literal }) => literal);
    // Rows of a keyless table are told apart by all their columns, and floats have no common order in two engines.
    return held.length === 0 ? [] : [{ type, values: [...held, 'NULL'] }];
  });
  return KEYS.map((key, index) => {
    const usable = key === 'none' ? types.filter(({ type }) => !/^(float|double)/.test(type)) : types;
    const columns = Array.from({ length: 1 + dice.roll(8) }, (_, at): RandomColumn => ({ name: `c${at}`, ...dice.pick(usable) }));
    const all = dice.oneIn(2) ? [...columns, { name: 'large', type: 'longtext', values: LARGE }] : columns;
    const keyColumns = {
      integer: 'id int PRIMARY KEY',
      text: 'id varchar(40) COLLATE utf8mb4_bin PRIMARY KEY',
      binary: 'id binary(6) PRIMARY KEY',
      'two columns': 'id int, id2 varchar(20) COLLATE utf8mb4_bin, PRIMARY KEY (id2, id)',
      none: 'id int',
    }[key];
    const name = `${place.schema}.r${index}`;
    const declared = all.map(({ name: column, type }) => `${column} ${type}${type.startsWith('timestamp') ? ' NULL' : ''}`);
    const create = `CREATE TABLE ${name} (${[keyColumns, ...declared].join(', ')}) DEFAULT CHARSET utf8mb4`;
    return { table: `r${index}`, name, columns: all, key, create };
  });
}

/**
 * Commits `transactions` random transactions over the tables and resolves with the number of statements that took effect. What a
 * constraint refuses is undone by itself; now and then what was not is rolled back to a savepoint.
 */
export async function mysqlRandomHistory(
  session: EndSession,
  tables: readonly MysqlRandomTable[],
  { dice, transactions }: { readonly dice: Dice; readonly transactions: number },
): Promise<number> {
  let done = 0;
  for (let transaction = 0; transaction < transactions; transaction += 1) {
    // TRUNCATE commits: it stands alone.
    if (dice.oneIn(60)) await session.execute(`TRUNCATE ${dice.pick(tables).name}`);
    await session.execute('START TRANSACTION');
    const statements = 1 + dice.roll(dice.oneIn(10) ? 40 : 6);
    for (let statement = 0; statement < statements; statement += 1) {
      await session.execute('SAVEPOINT s');
      const taken = await session.execute(randomStatement(dice, dice.pick(tables))).then(
        () => !dice.oneIn(15),
        () => false,
      );
      await session.execute(taken ? 'RELEASE SAVEPOINT s' : 'ROLLBACK TO s').catch(() => undefined);
      if (taken) done += 1;
    }
    await session.execute(dice.oneIn(20) ? 'ROLLBACK' : 'COMMIT');
  }
  return done;
}

function randomStatement(dice: Dice, table: MysqlRandomTable): string {
  const { name, columns } = table;
  const chance = dice.roll(100);
  if (chance < 40) return insert(dice, table);
  if (chance < 70) {
    const changed = columns.filter(() => dice.oneIn(2));
    if (changed.length === 0) return insert(dice, table);
    return `UPDATE ${name} SET ${changed.map((column) => `${column.name} = ${dice.pick(column.values)}`).join(', ')} WHERE ${somewhere(dice, table)}`;
  }
  if (chance < 80) return `UPDATE ${name} SET id = ${keyValue(dice, table)} WHERE ${somewhere(dice, table)}`;
  if (chance < 97) return `DELETE FROM ${name} WHERE ${somewhere(dice, table)}`;
  return `INSERT INTO ${name} SELECT * FROM ${name} WHERE ${somewhere(dice, table)}`;
}

function insert(dice: Dice, table: MysqlRandomTable): string {
  const rows = Array.from({ length: 1 + dice.roll(dice.oneIn(5) ? 60 : 3) }, () => {
    const key =
      table.key === 'two columns' ? `${keyValue(dice, table)}, '${dice.pick(['a', 'B', 'ä', ''])}'` : keyValue(dice, table);
    return `(${[key, ...table.columns.map((column) => dice.pick(column.values))].join(', ')})`;
  });
  const names = ['id', ...(table.key === 'two columns' ? ['id2'] : []), ...table.columns.map((column) => column.name)];
  return `INSERT INTO ${table.name} (${names.join(', ')}) VALUES ${rows.join(', ')}`;
}

/** Texts differ in their case, bytes end in 00 now and then. */
function keyValue(dice: Dice, { key }: MysqlRandomTable): string {
  const number = dice.roll(KEY_SPACE);
  if (key === 'text') return `'${number % 2 === 0 ? 'k' : 'K'}${number}'`;
  if (key === 'binary') return `0x${number.toString(16).padStart(4, '0')}${number % 3 === 0 ? '0000' : 'FF00'}`;
  return String(number);
}

function somewhere(dice: Dice, { key }: MysqlRandomTable): string {
  const number = { text: 'CAST(SUBSTR(id, 2) AS SIGNED)', binary: 'CONV(HEX(LEFT(id, 2)), 16, 10)' } as const;
  const value = key === 'text' || key === 'binary' ? number[key] : 'id';
  if (dice.oneIn(3)) return `${value} % ${2 + dice.roll(60)} = 0`;
  return `${value} = ${dice.roll(KEY_SPACE)}`;
}
