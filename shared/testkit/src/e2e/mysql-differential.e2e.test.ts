import { describe, expect, test } from 'vitest';
import { commonDifferences } from '../digest/common-rows.js';
import { EnginePair } from './engine-pair.js';
import { mysqlRandomHistory, mysqlRandomTables } from './mysql-random-history.js';
import { Dice } from './random-history.js';
import { told } from './replication-pair.js';

/** `DIFFERENTIAL_SEED=n` repeats a history. */
const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? Math.floor(Date.now() / 1_000) % 1_000_000);

const PAIRS = (['mysql', 'mariadb'] as const).flatMap((from) =>
  (['postgres', 'mysql', 'mariadb'] as const).map((to) => ({ from, to })),
);

describe.each(PAIRS)(`$from to $to: random transactions over random schemas, DIFFERENTIAL_SEED=${SEED}`, ({ from, to }) => {
  test('that were made before, during and after the load leave the target as the source', async () => {
    await using pair = await EnginePair.create({ from, to });
    const dice = new Dice(SEED);
    const tables = mysqlRandomTables(dice, { schema: pair.source.schema, engine: from, target: to });
    const names = tables.map(({ table }) => table);
    for (const { create } of tables) await pair.source.execute(create);
    await mysqlRandomHistory(pair.source, tables, { dice, transactions: 100 });

    const loading = pair.run('loaded');
    const done = await mysqlRandomHistory(pair.source, tables, { dice, transactions: 300 });
    expect(done).toBeGreaterThan(300);
    const loaded = await loading;
    expect(loaded.code, told(loaded)).toBe(0);
    await mysqlRandomHistory(pair.source, tables, { dice, transactions: 200 });

    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(0);
    expect(await commonDifferences(pair.source, pair.target, names)).toEqual([]);
    const verdict = await pair.verify();
    expect(verdict.code, told(verdict)).toBe(0);
  });
});
