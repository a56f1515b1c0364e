import type { ErrorPolicy, TablePreparation } from '@millrace/contract/sink.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { z } from 'zod';
import { misspeltSetting } from './dms-settings.js';

const dataAction = z.enum(['LOG_ERROR', 'IGNORE_RECORD', 'SUSPEND_TABLE', 'STOP_TASK']);

/** The parts of DMS's task settings that have a meaning here; the others that DMS knows are accepted and listed as ignored. */
const settingsSchema = z.looseObject({
  FullLoadSettings: z
    .looseObject({
      TargetTablePrepMode: z.enum(['DO_NOTHING', 'DROP_AND_CREATE', 'TRUNCATE_BEFORE_LOAD']).default('DO_NOTHING'),
      MaxFullLoadSubTasks: z.int().min(1).max(49).default(8),
    })
    .prefault({}),
  ErrorBehavior: z
    .looseObject({
      DataErrorPolicy: dataAction.default('LOG_ERROR'),
      ApplyErrorInsertPolicy: z
        .enum(['LOG_ERROR', 'IGNORE_RECORD', 'SUSPEND_TABLE', 'STOP_TASK', 'UPDATE_RECORD'])
        .default('LOG_ERROR'),
      ApplyErrorUpdatePolicy: z
        .enum(['LOG_ERROR', 'IGNORE_RECORD', 'SUSPEND_TABLE', 'STOP_TASK', 'INSERT_RECORD'])
        .default('LOG_ERROR'),
      ApplyErrorDeletePolicy: dataAction.default('IGNORE_RECORD'),
    })
    .prefault({}),
});

export interface TaskSettings {
  readonly preparation: TablePreparation;
  readonly policy: ErrorPolicy;
  /** Dotted names of settings that were given and have no meaning here. */
  readonly ignored: readonly string[];
}

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  FullLoadSettings: ['TargetTablePrepMode', 'MaxFullLoadSubTasks'],
  ErrorBehavior: ['DataErrorPolicy', 'ApplyErrorInsertPolicy', 'ApplyErrorUpdatePolicy', 'ApplyErrorDeletePolicy'],
};

/**
 * Reads DMS's task settings JSON; null: the defaults.
 * @throws MillraceError TASK_SETTINGS_INVALID naming the file and the setting.
 */
export function parseTaskSettings(text: string | null, path: string): TaskSettings {
  const json = text === null ? {} : parseJson(text, path);
  const parsed = settingsSchema.safeParse(withoutNullGroups(json));
  const misspelt = misspeltSetting(json);
  if (misspelt !== null) throw new MillraceError('TASK_SETTINGS_INVALID', { path, problem: misspelt });
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
    throw new MillraceError('TASK_SETTINGS_INVALID', { path, problem: problems.join('; ') });
  }
  const { FullLoadSettings: load, ErrorBehavior: errors } = parsed.data;
  return {
    preparation: load.TargetTablePrepMode,
    policy: {
      data: errors.DataErrorPolicy,
      insertConflict: errors.ApplyErrorInsertPolicy,
      updateConflict: errors.ApplyErrorUpdatePolicy,
      deleteConflict: errors.ApplyErrorDeletePolicy,
    },
    ignored: ignoredSettings(parsed.data),
  };
}

/** AWS DMS writes `null` for a group that is not set. */
function withoutNullGroups(settings: unknown): unknown {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) return settings;
  return Object.fromEntries(Object.entries(settings).filter(([, group]) => group !== null));
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MillraceError(
      'TASK_SETTINGS_INVALID',
      { path, problem: cause instanceof Error ? cause.message : String(cause) },
      { cause },
    );
  }
}

function ignoredSettings(settings: Readonly<Record<string, unknown>>): string[] {
  const ignored: string[] = [];
  for (const [group, value] of Object.entries(settings)) {
    const known = KNOWN[group];
    if (known === undefined) ignored.push(group);
    else if (typeof value === 'object' && value !== null)
      ignored.push(
        ...Object.keys(value)
          .filter((key) => !known.includes(key))
          .map((key) => `${group}.${key}`),
      );
  }
  return ignored;
}
