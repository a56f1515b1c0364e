import { displayTable } from '@millrace/codec/table-key.js';
import type { TaskConfig } from '@millrace/config/task-options.js';
import { openReader } from '@millrace/connectors/catalogue.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { createTableMapper } from '@millrace/mapping/table-mapper.js';
import type { Difference } from '@millrace/validator/compare-rows.js';
import { type TablePair, type TableVerdict, verifyTables } from '@millrace/validator/verify.js';
import { describeFailure, failureText, tellStack } from '../failure.js';
import { count } from '../run/figures.js';
import { openTask, type Task } from '../task/task.js';

/** `millrace verify`: 0 only if every selected row is equal, 1 for a difference, 3 where something could not be compared. */
export async function verifyCommand(config: TaskConfig): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  let different = 0;
  let uncompared = 0;
  let rows = 0;
  try {
    const pairs = await tablePairs(await openTask(config));
    await using source = await openReader(config.source, 'source');
    await using target = await openReader(config.target, 'target');
    for await (const verdict of verifyTables(pairs, { source, target }, stop.signal)) {
      if (verdict.kind === 'different') different += 1;
      else if (verdict.kind === 'not compared') uncompared += 1;
      if (verdict.kind !== 'not compared') rows += verdict.rows;
      tell(verdict, config.json);
    }
  } catch (error) {
    tellStack(error, config.logLevel);
    process.stderr.write(`${failureText(describeFailure(error))}\n`);
    return 3;
  }
  if (stop.signal.aborted) return 3;
  const verdict = different > 0 ? 'different' : uncompared > 0 ? 'not compared' : 'equal';
  if (config.json)
    process.stdout.write(`${JSON.stringify({ event: 'verified', verdict, rows, different, notCompared: uncompared })}\n`);
  else
    process.stdout.write(
      verdict === 'equal'
        ? `Equal: ${count(rows)} rows of every selected table.\n`
        : `${different} table(s) differ, ${uncompared} could not be compared.\n`,
    );
  return different > 0 ? 1 : uncompared > 0 ? 3 : 0;
}

async function tablePairs(task: Task): Promise<readonly TablePair[]> {
  await using source = await task.openSource();
  const schemas = await source.describe(task.selector);
  if (schemas.length === 0)
    throw new MillraceError('SELECTION_MATCHES_NOTHING', {
      rules: task.mapping.selections.map(({ rule }) => rule.id).join(', '),
    });
  const mapper = createTableMapper(task.mapping, task.supports);
  return schemas.map((schema) => {
    const { target, kind, filter } = mapper.mapTable(schema);
    const incomparable = kind === 'rows' ? 'a mapping rule changes its rows, so its values are not those of the source' : null;
    return { source: schema, target, filter, incomparable };
  });
}

function tell(verdict: TableVerdict, json: boolean): void {
  const { schema, table } = verdict.table.id;
  const name = displayTable(verdict.table.id);
  switch (verdict.kind) {
    case 'equal':
      if (json)
        process.stdout.write(`${JSON.stringify({ event: 'table', schema, table, verdict: 'equal', rows: verdict.rows })}\n`);
      else process.stdout.write(`equal         ${name.padEnd(40)} ${count(verdict.rows)} rows\n`);
      return;
    case 'not compared':
      if (json)
        process.stdout.write(
          `${JSON.stringify({ event: 'table', schema, table, verdict: 'not compared', code: verdict.code, reason: verdict.reason })}\n`,
        );
      else process.stdout.write(`not compared  ${name.padEnd(40)} ${verdict.code}: ${verdict.reason}\n`);
      return;
    case 'different':
      for (const difference of verdict.differences) {
        if (json)
          process.stdout.write(
            `${JSON.stringify({ event: 'difference', schema, table, ...asJson(difference, verdict.columns) })}\n`,
          );
        else
          process.stdout.write(
            `${difference.kind.padEnd(14)}${name.padEnd(40)} key (${difference.key.join(', ')})${difference.kind === 'differs' ? ` in ${difference.columns.join(', ')}` : ''}\n`,
          );
      }
      if (json)
        process.stdout.write(
          `${JSON.stringify({ event: 'table', schema, table, verdict: 'different', rows: verdict.rows, differences: verdict.differenceCount })}\n`,
        );
      else
        process.stdout.write(
          `different     ${name.padEnd(40)} ${count(verdict.differenceCount)} difference(s) in ${count(verdict.rows)} rows\n`,
        );
      return;
    default:
      assertNever(verdict);
  }
}

function asJson(difference: Difference, columns: readonly string[]): Readonly<Record<string, unknown>> {
  if (difference.kind !== 'differs') return difference;
  const pick = (row: readonly (string | null)[]): Readonly<Record<string, string | null>> =>
    Object.fromEntries(difference.columns.map((column) => [column, row[columns.indexOf(column)] ?? null]));
  return {
    kind: difference.kind,
    key: difference.key,
    columns: difference.columns,
    source: pick(difference.source),
    target: pick(difference.target),
  };
}
