import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StackEngine } from '@millrace/local/stack.js';
import mysql from 'mysql2/promise';
import pg from 'pg';
import {
  createDatabase,
  createMysqlDatabase,
  removeFolder,
  scratchFolder,
  sharedServers,
  type TestDatabase,
  uniqueWord,
} from '../servers.js';
import { type CommandEnd, MillraceCommand } from './millrace-command.js';

/** A session on one end, whatever its engine: statements without parameters, rows as texts. */
export interface EndSession {
  readonly engine: StackEngine;
  /** Of what the test made for itself: MySQL's database, or PostgreSQL's schema of the same name. */
  readonly schema: string;
  execute(statement: string): Promise<void>;
  rows(query: string): Promise<readonly (readonly (string | null)[])[]>;
  close(): Promise<void>;
}

export interface EnginePairOptions {
  readonly from: StackEngine;
  readonly to: StackEngine;
  /** Table mapping rules beside the selection of everything and the rename of the schema. */
  readonly rules?: readonly object[];
  readonly taskSettings?: object;
}

/**
 * One schema of the source replicated into one of the target, each on the shared server of its engine. The two have names of their own, so
 * that both may lie on one MySQL server; a mapping rule renames the one to the other.
 */
export class EnginePair implements AsyncDisposable {
  private constructor(
    readonly source: EndSession,
    readonly target: EndSession,
    readonly flags: readonly string[],
    private readonly owned: { readonly databases: readonly TestDatabase[]; readonly folder: string },
  ) {}

  static async create({ from, to, rules = [], taskSettings }: EnginePairOptions): Promise<EnginePair> {
    const [source, target, kafka, registry, folder] = await Promise.all([
      makeDatabase(from),
      makeDatabase(to),
      sharedServers().kafka(),
      sharedServers().registry(),
      scratchFolder(),
    ]);
    const task = uniqueWord();
    const flags = ['--name', task, '--source', source.url, '--target', target.url, '--kafka', kafka, '--registry', registry];
    const [theirs, ours] = [schemaOf(from, source), schemaOf(to, target)];
    const mappings = { rules: [...selectionAndRename(theirs, ours), ...rules] };
    for (const [flag, content] of [
      ['table-mappings', mappings],
      ['task-settings', taskSettings],
    ] as const) {
      if (content === undefined) continue;
      const file = join(folder, `${flag}.json`);
      await writeFile(file, JSON.stringify(content));
      flags.push(`--${flag}`, file);
    }
    const sessions = await Promise.all([openSession(from, source.url, theirs), openSession(to, target.url, ours)]);
    if (from === 'postgres') await sessions[0].execute(`CREATE SCHEMA ${theirs}`);
    return new EnginePair(sessions[0], sessions[1], flags, { databases: [source, target], folder });
  }

  /** `millrace run … --until <moment> --json --log-level error`, to its end. */
  run(until: 'loaded' | 'caught-up'): Promise<CommandEnd> {
    return MillraceCommand.run(['run', ...this.flags, '--until', until, '--json', '--log-level', 'error']);
  }

  start(): Promise<MillraceCommand> {
    return MillraceCommand.start(['run', ...this.flags, '--json', '--log-level', 'error']);
  }

  verify(): Promise<CommandEnd> {
    return MillraceCommand.run(['verify', ...this.flags, '--json', '--log-level', 'error']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.source.close(), this.target.close()]);
    for (const database of this.owned.databases) await database[Symbol.asyncDispose]();
    await removeFolder(this.owned.folder);
  }
}

function makeDatabase(engine: StackEngine): Promise<TestDatabase> {
  return engine === 'postgres' ? createDatabase() : createMysqlDatabase(engine);
}

function schemaOf(engine: StackEngine, database: TestDatabase): string {
  return engine === 'postgres' ? 'app' : database.name;
}

function selectionAndRename(from: string, to: string): readonly object[] {
  const rule = (id: number, type: string, more: object): object => ({
    'rule-type': type,
    'rule-id': String(id),
    'rule-name': String(id),
    ...more,
  });
  const everything = { 'schema-name': from, 'table-name': '%' };
  const selection = rule(1, 'selection', { 'object-locator': everything, 'rule-action': 'include' });
  if (from === to) return [selection];
  return [
    selection,
    rule(2, 'transformation', {
      'rule-action': 'rename',
      'rule-target': 'schema',
      'object-locator': { 'schema-name': from },
      value: to,
    }),
  ];
}

function openSession(engine: StackEngine, url: string, schema: string): Promise<EndSession> {
  return engine === 'postgres' ? openPostgres(url, schema) : openMysql(engine, url, schema);
}

async function openPostgres(url: string, schema: string): Promise<EndSession> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 3");
  const types = {
    getTypeParser:
      () =>
      (value: string): string =>
        value,
  };
  return {
    engine: 'postgres',
    schema,
    execute: async (statement) => void (await client.query(statement)),
    rows: async (query) => (await client.query<(string | null)[]>({ text: query, rowMode: 'array', types })).rows,
    close: () => client.end(),
  };
}

async function openMysql(engine: 'mysql' | 'mariadb', url: string, schema: string): Promise<EndSession> {
  const connection = await mysql.createConnection({
    uri: url.replace(/^mariadb:/, 'mysql:'),
    charset: 'utf8mb4',
    rowsAsArray: true,
    typeCast: (field) => field.string('utf8'),
  });
  connection.on('error', () => undefined);
  await connection.query("SET SESSION time_zone = '+00:00', SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'");
  return {
    engine,
    schema,
    execute: async (statement) => void (await connection.query(statement)),
    rows: async (query) => {
      const [rows] = await connection.query<mysql.RowDataPacket[]>(query);
      return rows.map((row): (string | null)[] =>
        Object.values(row).map((value: unknown) => (value === null ? null : String(value))),
      );
    },
    close: () => connection.end(),
  };
}
