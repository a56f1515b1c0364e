import { MillraceError } from '@millrace/errors/millrace-error.js';
import type pg from 'pg';

/** The tables of schema `prefix`; `ledger_c` has no key, so that a change applied twice shows in it as two rows. */
export const PREFIX_TABLES = ['counter', 'ledger_a', 'ledger_b', 'ledger_c', 'cells', 'batch'] as const;

/** One statement that takes one step, and so one transaction, of `createPrefix`'s history. */
export const PREFIX_STEP = { text: 'SELECT prefix.step()', values: [] } as const;

/** Each step touches two of twice as many cells. */
export const CELLS = 32;
/** Steps from one batch to the next. */
export const BATCH_EVERY = 50;
/** Steps after which a batch is deleted. */
export const BATCH_KEPT = 1_000;

/**
 * Makes schema `prefix` anew. Each step is one transaction: it takes the next number (the row lock on the counter makes commit
 * order the numbers' order), writes it to three ledgers and under two cells, every 50th step a batch of 100 rows with it, every
 * 500th one of 6,000 rows (more than a journal block holds), and deletes batches older than 1,000 steps.
 */
export async function createPrefix(client: pg.Client): Promise<void> {
  await client.query(`
    DROP SCHEMA IF EXISTS prefix CASCADE;
    CREATE SCHEMA prefix;
    CREATE TABLE prefix.counter (id int PRIMARY KEY, n bigint NOT NULL);
    CREATE TABLE prefix.ledger_a (n bigint PRIMARY KEY, cell int NOT NULL, at timestamptz NOT NULL);
    CREATE TABLE prefix.ledger_b (n bigint PRIMARY KEY, note text NOT NULL);
    CREATE TABLE prefix.ledger_c (n bigint NOT NULL, note text);
    ALTER TABLE prefix.ledger_c REPLICA IDENTITY FULL;
    CREATE TABLE prefix.cells (cell int PRIMARY KEY, times bigint NOT NULL, last bigint NOT NULL, document text NOT NULL);
    ALTER TABLE prefix.cells ALTER COLUMN document SET STORAGE EXTERNAL;
    CREATE TABLE prefix.batch (n bigint, i int, filler text, PRIMARY KEY (n, i));
    INSERT INTO prefix.counter VALUES (1, 0);
    INSERT INTO prefix.cells SELECT c, 0, 0, repeat('document ' || c, 400) FROM generate_series(0, ${2 * CELLS - 1}) c;
    CREATE FUNCTION prefix.step() RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE k bigint;
    BEGIN
      UPDATE prefix.counter SET n = n + 1 WHERE id = 1 RETURNING n INTO k;
      INSERT INTO prefix.ledger_a VALUES (k, k % ${CELLS}, now());
      INSERT INTO prefix.ledger_b VALUES (k, 'step ' || k);
      INSERT INTO prefix.ledger_c VALUES (k, nullif(k % 3, 0)::text);
      UPDATE prefix.cells SET times = times + 1, last = k WHERE cell IN (k % ${CELLS}, ${CELLS} + (k * 7) % ${CELLS});
      IF k % ${BATCH_EVERY} = 0 THEN
        DELETE FROM prefix.batch WHERE n <= k - ${BATCH_KEPT};
        INSERT INTO prefix.batch SELECT k, i, repeat('x', 240) FROM generate_series(1, ${batchRows('k')}) i;
      END IF;
      RETURN k;
    END $$;`);
}

/** Size of a step's batch, in any engine's SQL. */
export function batchRows(step: string): string {
  return `CASE WHEN ${step} % 500 = 0 THEN 6000 ELSE 100 END`;
}

export interface PrefixReading {
  /** Number of the last step. */
  readonly counter: number;
  /** Steps at or below the counter of which nothing is there. */
  readonly lost: number;
  /** Steps of which a row is there more than once. */
  readonly duplicated: number;
  /** Steps of which only a part is there, or a part above the counter; cells and batches that are not of the counter's step. */
  readonly torn: number;
  /** The first few of each, in words; empty where all is well. */
  readonly differences: readonly string[];
}

/**
 * Reads the whole of `prefix` in one statement, so in one snapshot, and compares it with what the counter's step left: a reading
 * without findings is exactly the state after that many transactions in commit order.
 */
export async function readPrefix(client: pg.Client): Promise<PrefixReading> {
  const { rows } = await client.query<{
    counter: string | null;
    kind: string | null;
    count: string | null;
    examples: string | null;
  }>(READING);
  const [first] = rows;
  if (first?.counter == null) throw new MillraceError('INTERNAL', { what: 'prefix.counter has no row' });
  const of = (kind: string): { readonly count: number; readonly examples: string } => {
    const row = rows.find((candidate) => candidate.kind === kind);
    return { count: Number(row?.count ?? 0), examples: row?.examples ?? '' };
  };
  const [lost, duplicated, torn] = [of('lost'), of('duplicated'), of('torn')];
  const differences = Object.entries({ lost, duplicated, torn }).flatMap(([kind, { count, examples }]) =>
    count === 0 ? [] : [`${kind}: ${count} (${examples})`],
  );
  return { counter: Number(first.counter), lost: lost.count, duplicated: duplicated.count, torn: torn.count, differences };
}

export function isPrefix({ lost, duplicated, torn }: PrefixReading): boolean {
  return lost + duplicated + torn === 0;
}

const READING = `
  WITH counter AS (SELECT n FROM prefix.counter WHERE id = 1),
  copies AS (
    SELECT n, count(*) FILTER (WHERE t = 'a') AS a, count(*) FILTER (WHERE t = 'b') AS b, count(*) FILTER (WHERE t = 'c') AS c
    FROM (SELECT n, 'a' AS t FROM prefix.ledger_a UNION ALL SELECT n, 'b' FROM prefix.ledger_b UNION ALL SELECT n, 'c' FROM prefix.ledger_c) all_copies
    GROUP BY n),
  steps AS (SELECT s AS n FROM counter, generate_series(1, counter.n) s),
  cells AS (
    SELECT cell, count(*) AS times, max(n) AS last
    FROM (SELECT n, n % ${CELLS} AS cell FROM steps UNION ALL SELECT n, ${CELLS} + (n * 7) % ${CELLS} FROM steps) touched GROUP BY cell),
  batches AS (
    SELECT k AS n, ${batchRows('k')} AS size
    FROM counter, generate_series(greatest(${BATCH_EVERY}, counter.n / ${BATCH_EVERY} * ${BATCH_EVERY} - ${BATCH_KEPT - BATCH_EVERY}), counter.n, ${BATCH_EVERY}) k),
  findings AS (
    SELECT 'lost' AS kind, 'step ' || s.n AS what FROM steps s LEFT JOIN copies USING (n) WHERE copies.n IS NULL
    UNION ALL
    SELECT CASE WHEN greatest(a, b, c) > 1 THEN 'duplicated' ELSE 'torn' END, format('step %s: %s, %s, %s rows in the ledgers, counter at %s', copies.n, a, b, c, counter.n)
    FROM copies, counter WHERE copies.n > counter.n OR (a, b, c) <> (1, 1, 1)
    UNION ALL
    SELECT 'torn', format('cell %s: %s times, last %s, instead of %s, %s', p.cell, p.times, p.last, coalesce(cells.times, 0), coalesce(cells.last, 0))
    FROM prefix.cells p LEFT JOIN cells USING (cell)
    WHERE (p.times, p.last) <> (coalesce(cells.times, 0), coalesce(cells.last, 0)) OR p.document <> repeat('document ' || p.cell, 400)
    UNION ALL
    SELECT 'torn', format('cells: %s rows', count(*)) FROM prefix.cells HAVING count(*) <> ${2 * CELLS}
    UNION ALL
    SELECT 'torn', format('batch %s: %s rows instead of %s', n, coalesce(found.size, 0), coalesce(batches.size, 0))
    FROM batches FULL JOIN (SELECT n, count(*) AS size FROM prefix.batch GROUP BY n) found USING (n) WHERE batches.size IS DISTINCT FROM found.size)
  SELECT counter.n::text AS counter, by_kind.kind, by_kind.count, by_kind.examples
  FROM counter LEFT JOIN (SELECT kind, count(*)::text AS count, array_to_string((array_agg(what ORDER BY what))[1:5], '; ') AS examples FROM findings GROUP BY kind) by_kind ON true`;
