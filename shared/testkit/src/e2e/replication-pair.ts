import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { z } from 'zod';
import type { Ends } from '../digest/canonical-digest.js';
import { createDatabase, removeFolder, scratchFolder, sharedServers, type TestDatabase, uniqueWord } from '../servers.js';
import { type CommandEnd, MillraceCommand } from './millrace-command.js';

/** What a selection and its rules are; a task of the pair is run with it every time. */
export interface PairOptions {
  /** `--include` patterns. */
  readonly include?: readonly string[];
  /** DMS's table mappings, for names that patterns cannot say. */
  readonly tableMappings?: object;
  /** DMS's task settings. */
  readonly taskSettings?: object;
  readonly migrationType?: 'full-load' | 'cdc' | 'full-load-and-cdc';
  /** The source begins as a copy of this database of the shared server. */
  readonly sourceTemplate?: string;
}

/** Two databases on the shared server, a client on each, and the task that replicates one into the other. */
export class ReplicationPair implements AsyncDisposable {
  private constructor(
    readonly source: pg.Client,
    readonly target: pg.Client,
    readonly urls: Ends,
    readonly flags: readonly string[],
    private readonly owned: { readonly databases: readonly TestDatabase[]; readonly folder: string },
  ) {}

  static async create(options: PairOptions): Promise<ReplicationPair> {
    const [from, to, kafka, registry, folder] = await Promise.all([
      createDatabase(undefined, options.sourceTemplate),
      createDatabase(),
      sharedServers().kafka(),
      sharedServers().registry(),
      scratchFolder(),
    ]);
    const flags = ['--name', uniqueWord(), '--source', from.url, '--target', to.url, '--kafka', kafka, '--registry', registry];
    for (const pattern of options.include ?? []) flags.push('--include', pattern);
    if (options.migrationType !== undefined) flags.push('--migration-type', options.migrationType);
    for (const [flag, content] of [
      ['table-mappings', options.tableMappings],
      ['task-settings', options.taskSettings],
    ] as const) {
      if (content === undefined) continue;
      const file = join(folder, `${flag}.json`);
      await writeFile(file, JSON.stringify(content));
      flags.push(`--${flag}`, file);
    }
    const [source, target] = [new pg.Client(from.url), new pg.Client(to.url)];
    for (const client of [source, target]) client.on('error', () => undefined);
    await Promise.all([source.connect(), target.connect()]);
    return new ReplicationPair(source, target, { source: from.url, target: to.url }, flags, { databases: [from, to], folder });
  }

  /** `millrace run … --until <moment> --json --log-level error`, to its end. */
  run(until: 'loaded' | 'caught-up', env: NodeJS.ProcessEnv = {}): Promise<CommandEnd> {
    return MillraceCommand.run(['run', ...this.flags, '--until', until, '--json', '--log-level', 'error'], env);
  }

  /** The same without an end of its own. */
  start(env: NodeJS.ProcessEnv = {}): Promise<MillraceCommand> {
    return MillraceCommand.start(['run', ...this.flags, '--json', '--log-level', 'error'], env);
  }

  verify(): Promise<CommandEnd> {
    return MillraceCommand.run(['verify', ...this.flags, '--json', '--log-level', 'error']);
  }

  /** Disposing the databases drops the slot too; topics go with the shared Kafka. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.source.end(), this.target.end()]);
    for (const database of this.owned.databases) await database[Symbol.asyncDispose]();
    await removeFolder(this.owned.folder);
  }
}

const tableLine = z.looseObject({ schema: z.string(), table: z.string(), state: z.string(), errors: z.number() });
const stoppedLine = z.looseObject({ event: z.literal('stopped'), tables: z.array(tableLine) });

/** What went wrong, for an assertion's message: exit code, last lines, the tables that are not well, and what was said on stderr. */
export function told({ code, lines, stderr }: CommandEnd): string {
  const shown = lines.filter(({ event }) => event !== 'progress' && event !== 'table').slice(-12);
  const texts = shown.map((line) => {
    const stopped = stoppedLine.safeParse(line);
    if (!stopped.success) return JSON.stringify(line);
    return JSON.stringify({
      ...stopped.data,
      tables: stopped.data.tables.filter(({ state, errors }) => state !== 'completed' || errors > 0),
    });
  });
  return `exit ${code}\n${texts.join('\n').slice(0, 6_000)}\n${stderr.slice(-4_000)}`;
}
