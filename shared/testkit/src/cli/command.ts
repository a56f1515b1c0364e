import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { assessTopics } from '@millrace/journal/assess-topics.js';
import { RegistryClient } from '@millrace/journal/registry/registry-client.js';
import { createDatabase, sharedServers, type TestDatabase, uniqueWord, withClient } from '../servers.js';

const MILLRACE = fileURLToPath(new URL('../../../../services/cli/bin/millrace.js', import.meta.url));

/** In every password that a test gives: it must show nowhere. */
export const CANARY = 'canary-S3cr3t';

export interface JsonLine {
  readonly event: string;
  readonly [key: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `millrace` command as a user starts it: a process of its own, its output kept. */
export class Command {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [MILLRACE, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...cleanEnvironment(), ...env },
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) =>
      this.#child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr })),
    );
  }

  get lines(): readonly JsonLine[] {
    return jsonLines(this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

export function millrace(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> {
  return new Command(args, env).ended;
}

/** Every line of the text is one JSON object, or this throws. */
export function jsonLines(text: string): readonly JsonLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): JsonLine => JSON.parse(line));
}

/** Servers' addresses come from the test alone. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(MILLRACE_|KAFKA_|SCHEMA_REGISTRY_URL$|SOURCE_URL$|TARGET_URL$|npm_command$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

/** Two databases, a name and the shared Kafka and registry: what a task needs. */
export class Bench implements AsyncDisposable {
  readonly name = uniqueWord();

  private constructor(
    readonly source: TestDatabase,
    readonly target: TestDatabase,
    readonly kafka: string,
    readonly registry: string,
  ) {}

  /** `kafka`: bootstrap servers other than the shared ones. */
  static async open(sql: string, own: { readonly kafka?: string } = {}): Promise<Bench> {
    const shared = sharedServers();
    const [kafka, registry] = await Promise.all([own.kafka ?? shared.kafka(), shared.registry()]);
    const bench = new Bench(await createDatabase(), await createDatabase(), kafka, registry);
    await bench.atSource(sql);
    return bench;
  }

  get topics() {
    return { journal: `${this.name}.journal`, load: `${this.name}.load`, deadLetters: `${this.name}.dead-letters` };
  }

  /** Flags of the task; those given replace or join them. */
  flags(more: Readonly<Record<string, string>> = {}): string[] {
    const all = {
      name: this.name,
      source: this.source.url,
      target: this.target.url,
      kafka: this.kafka,
      registry: this.registry,
      ...more,
    };
    return Object.entries(all).flatMap(([flag, value]) => [`--${flag}`, value]);
  }

  atSource(sql: string): Promise<readonly Record<string, unknown>[]> {
    return rowsOf(this.source.url, sql);
  }

  atTarget(sql: string): Promise<readonly Record<string, unknown>[]> {
    return rowsOf(this.target.url, sql);
  }

  /** Everything of this task, or made in these databases, anywhere: empty before a first start, and after a refused one. */
  async traces(): Promise<readonly string[]> {
    const kafka = { brokers: this.kafka.split(','), tls: null, sasl: null };
    const registry = { url: this.registry, login: null };
    const slots = await rowsOf(
      this.source.url,
      `SELECT slot_name AS found FROM pg_replication_slots WHERE database = current_database()`,
    );
    const publications = await rowsOf(this.source.url, 'SELECT pubname AS found FROM pg_publication');
    const objects = `SELECT n.nspname || '.' || coalesce(c.relname, '') AS found FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
                     WHERE n.nspname !~ '^pg_|^information_schema$' AND NOT (n.nspname = 'public' AND c.relname IS NULL)`;
    const target = await rowsOf(this.target.url, objects);
    const schemas = await rowsOf(this.source.url, `SELECT nspname AS found FROM pg_namespace WHERE nspname = 'millrace'`);
    const subjects = (await new RegistryClient(registry).subjects()).filter((subject) => subject.startsWith(this.name));
    const topics = await assessTopics({ kafka, registry, topics: this.topics });
    return [...[...slots, ...publications, ...target, ...schemas].map(({ found }) => String(found)), ...subjects, ...topics];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await millrace(['remove', ...this.flags(), '--yes']);
    await this.source[Symbol.asyncDispose]();
    await this.target[Symbol.asyncDispose]();
  }
}

async function rowsOf(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  let rows: readonly Record<string, unknown>[] = [];
  await withClient(url, async (client) => {
    const result = await client.query<Record<string, unknown>>(sql);
    rows = result.rows ?? [];
  });
  return rows;
}
