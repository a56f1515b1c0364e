import { readFile } from 'node:fs/promises';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { type OptionDefinition, TASK_OPTIONS, type TaskOption } from './task-options.js';

export type RawOptions = Readonly<Record<string, unknown>>;

export interface ConfigSources {
  /** What the command line said, by option name; absent options left out. */
  readonly flags: RawOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the task file, or null. */
  readonly file: string | null;
}

/**
 * One command's configuration from flags, environment and file; the flag wins over the environment, the environment over the
 * file. `schema` is a selection of the task's options.
 *
 * @throws MillraceError USAGE_OPTION_MISSING or USAGE_OPTION_VALUE (a flag: exit code 2), CONFIG_VALUE (environment or file),
 * CONFIG_FILE (unreadable, not YAML, unknown key), each naming the option and where the value came from.
 */
export async function loadConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  sources: ConfigSources,
): Promise<z.infer<z.ZodObject<Shape>>> {
  const file = sources.file === null ? {} : await readTaskFile(sources.file);
  const options = Object.keys(schema.shape).filter(isTaskOption);
  const found = new Map<string, Found>();
  for (const option of options) {
    const value = find(option, sources, file);
    if (value !== undefined) found.set(option, value);
  }
  const parsed = schema.safeParse(Object.fromEntries([...found].map(([option, { value }]) => [option, value])));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const option = options.find((name) => name === issue?.path[0]);
  if (option === undefined) throw parsed.error;
  const origin = found.get(option);
  if (origin === undefined) throw missing(option);
  throw invalid(
    option,
    origin,
    parsed.error.issues.filter(({ path }) => path[0] === option),
  );
}

function isTaskOption(name: string): name is TaskOption {
  return name in TASK_OPTIONS;
}

interface Found {
  readonly value: unknown;
  readonly from: 'flag' | 'environment' | 'file';
  readonly where: string;
}

function find(option: TaskOption, { flags, env, file: path }: ConfigSources, file: RawOptions): Found | undefined {
  const definition: OptionDefinition = TASK_OPTIONS[option];
  if (flags[option] !== undefined) return { value: typed(option, flags[option]), from: 'flag', where: flagName(definition) };
  const variable = definition.env === null ? undefined : env[definition.env];
  if (definition.env !== null && variable !== undefined && variable !== '')
    return { value: typed(option, variable), from: 'environment', where: definition.env };
  if (file[option] !== undefined) return { value: file[option], from: 'file', where: `${option} in ${path ?? ''}` };
  return undefined;
}

/** Command line and environment give text; the file has types of its own. */
function typed(option: TaskOption, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (option === 'metricsPort' || option === 'outageMinutes' || option === 'journalRetentionHours')
    return value.trim() === '' ? value : Number(value);
  if (option === 'kafkaTls' || option === 'json') return value === 'true' ? true : value === 'false' ? false : value;
  return value;
}

function flagName({ flag, env }: OptionDefinition): string {
  return flag?.split(' ')[0] ?? env ?? '';
}

function missing(option: TaskOption): MillraceError {
  const definition: OptionDefinition = TASK_OPTIONS[option];
  return new MillraceError('USAGE_OPTION_MISSING', {
    option: flagName(definition),
    env: definition.env ?? '',
    help: definition.help,
  });
}

function invalid(option: TaskOption, found: Found, issues: readonly z.core.$ZodIssue[]): MillraceError {
  const definition: OptionDefinition = TASK_OPTIONS[option];
  const value = definition.secret ? '(hidden)' : JSON.stringify(found.value);
  const details = { where: found.where, value, problem: issues.map(({ message }) => message).join('; ') };
  return new MillraceError(found.from === 'flag' ? 'USAGE_OPTION_VALUE' : 'CONFIG_VALUE', details);
}

const taskFile = z.record(z.string(), z.unknown());

async function readTaskFile(path: string): Promise<RawOptions> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new MillraceError('CONFIG_FILE', { path, problem: cause instanceof Error ? cause.message : String(cause) }, { cause });
  });
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw new MillraceError('CONFIG_FILE', { path, problem: problem.message });
  const parsed = taskFile.safeParse(document.toJS() ?? {});
  if (!parsed.success) throw new MillraceError('CONFIG_FILE', { path, problem: 'must be a mapping of option names to values' });
  const file: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(parsed.data)) {
    const option = key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (!(option in TASK_OPTIONS))
      throw new MillraceError('CONFIG_FILE', {
        path,
        problem: `unknown key "${key}"; known: ${Object.keys(TASK_OPTIONS).join(', ')}`,
      });
    file[option] = value;
  }
  return file;
}
