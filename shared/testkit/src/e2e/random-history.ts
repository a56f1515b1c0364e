import type pg from 'pg';
import { Random } from '../chaos/random.js';
import { EDGE_VALUES } from '../corpus/edge-values.js';

/** Seeded chance: the same seed makes the same history. */
export class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** 0 ≤ result < sides */
  roll(sides: number): number {
    return this.#random.below(sides);
  }

  oneIn(sides: number): boolean {
    return this.roll(sides) === 0;
  }

  /** @throws RangeError for an empty list */
  pick<T>(items: readonly T[]): T {
    const item = items[this.roll(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }
}

interface RandomColumn {
  readonly name: string;
  readonly type: string;
  /** SQL literals. */
  readonly values: readonly string[];
}

export interface RandomTable {
  /** Qualified. */
  readonly name: string;
  readonly table: string;
  readonly columns: readonly RandomColumn[];
  readonly key: 'integer' | 'text' | 'two columns' | 'none';
  readonly create: string;
}

const KEYS: readonly RandomTable['key'][] = ['integer', 'text', 'two columns', 'none'];
const COLLATED = `COLLATE "C"`;
/** Keys are few, so that histories meet: rows are changed, deleted and made again. */
const KEY_SPACE = 300;

/** Types of the corpus that need nothing made beforehand; their values, megabytes and floods left out. */
const PLAIN_TYPES: ReadonlyMap<string, readonly string[]> = plainTypes();

function plainTypes(): Map<string, string[]> {
  const types = new Map<string, string[]>();
  for (const { type, literal, extension, since } of EDGE_VALUES) {
    if (extension !== null || since > 13 || type.includes('edge.') || literal.includes('repeat') || literal.length > 400)
      continue;
    types.set(type, [...(types.get(type) ?? []), literal, 'NULL']);
  }
  return types;
}

/** A schema of a few tables, one of each kind of key, with columns of random types over the edge values. */
export function randomTables(dice: Dice, schema: string): RandomTable[] {
  return KEYS.map((key, index) => {
    const types = [...PLAIN_TYPES.keys()];
    const columns = Array.from({ length: 1 + dice.roll(8) }, (_, at): RandomColumn => {
      const type = dice.pick(types);
      return { name: `c${at}`, type, values: PLAIN_TYPES.get(type) ?? ['NULL'] };
    });
    const table = `r${index}`;
    const name = `${schema}.${table}`;
    const keyColumns = {
      integer: 'id int PRIMARY KEY',
      text: `id text ${COLLATED} PRIMARY KEY`,
      'two columns': 'id int, id2 text, PRIMARY KEY (id2, id)',
      none: 'id int',
    }[key];
    const large = dice.oneIn(2) ? ', large text' : '';
    const full = key === 'none' || dice.oneIn(4) ? `; ALTER TABLE ${name} REPLICA IDENTITY FULL` : '';
    const create = `CREATE TABLE ${name} (${[keyColumns, ...columns.map((column) => `${column.name} ${column.type}`)].join(', ')}${large})${full}`;
    return {
      name,
      table,
      columns: large === '' ? columns : [...columns, { name: 'large', type: 'text', values: LARGE }],
      key,
      create,
    };
  });
}

const LARGE = [
  'repeat(md5(random()::text), 300)',
  "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 200))",
  "''",
  'NULL',
];

/**
 * Commits `transactions` random transactions over the tables and resolves with the number of statements that took effect. What a
 * constraint refuses, and now and then what it would not, is rolled back to a savepoint.
 */
export async function randomHistory(
  client: pg.Client,
  tables: readonly RandomTable[],
  { dice, transactions }: { readonly dice: Dice; readonly transactions: number },
): Promise<number> {
  let done = 0;
  for (let transaction = 0; transaction < transactions; transaction += 1) {
    await client.query('BEGIN');
    const statements = 1 + dice.roll(dice.oneIn(10) ? 40 : 6);
    for (let statement = 0; statement < statements; statement += 1) {
      await client.query('SAVEPOINT s');
      const taken = await client.query(randomStatement(dice, dice.pick(tables))).then(
        () => !dice.oneIn(15),
        () => false,
      );
      await client.query(taken ? 'RELEASE s' : 'ROLLBACK TO s');
      if (taken) done += 1;
    }
    await client.query(dice.oneIn(20) ? 'ROLLBACK' : 'COMMIT');
  }
  return done;
}

function randomStatement(dice: Dice, table: RandomTable): string {
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
  if (chance < 99) return `INSERT INTO ${name} SELECT * FROM ${name} WHERE ${somewhere(dice, table)}`;
  return `TRUNCATE ${name}`;
}

function insert(dice: Dice, table: RandomTable): string {
  const rows = Array.from({ length: 1 + dice.roll(dice.oneIn(5) ? 60 : 3) }, () => {
    const key =
      table.key === 'two columns' ? `${keyValue(dice, table)}, '${dice.pick(['a', 'B', 'ä', ''])}'` : keyValue(dice, table);
    return `(${[key, ...table.columns.map((column) => dice.pick(column.values))].join(', ')})`;
  });
  const names = ['id', ...(table.key === 'two columns' ? ['id2'] : []), ...table.columns.map((column) => column.name)];
  return `INSERT INTO ${table.name} (${names.join(', ')}) VALUES ${rows.join(', ')}${table.key === 'none' ? '' : ' ON CONFLICT DO NOTHING'}`;
}

function keyValue(dice: Dice, { key }: RandomTable): string {
  const number = dice.roll(KEY_SPACE);
  return key === 'text' ? `'${number % 2 === 0 ? 'k' : 'K'}${number}'` : String(number);
}

function somewhere(dice: Dice, { key }: RandomTable): string {
  const number = key === 'text' ? 'substr(id, 2)::int' : 'id';
  if (dice.oneIn(3)) return `${number} % ${2 + dice.roll(60)} = 0`;
  return `${number} = ${dice.roll(KEY_SPACE)}`;
}
