import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TaskConfig } from '@millrace/config/task-options.js';
import { parseTaskSettings, type TaskSettings } from '@millrace/config/task-settings.js';
import { openSink, openSource } from '@millrace/connectors/catalogue.js';
import type { CaptureSource, TableSelector } from '@millrace/contract/capture.js';
import type { SinkWriter } from '@millrace/contract/sink.js';
import type { TaskTopics } from '@millrace/contract/task.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { KafkaSettings } from '@millrace/journal/kafka/kafka-settings.js';
import type { RegistrySettings } from '@millrace/journal/registry/registry-settings.js';
import { mappingFromPatterns } from '@millrace/mapping/command-line-patterns.js';
import { parseTableMappings } from '@millrace/mapping/parse.js';
import type { TableMapping } from '@millrace/mapping/rule.js';
import { createSelector } from '@millrace/mapping/selection/selector.js';
import type { MapperSupport } from '@millrace/mapping/transform/support.js';

/** A task read and checked, before any server was asked: the same for every command and for the workers. */
export interface Task {
  readonly config: TaskConfig;
  readonly mapping: TableMapping;
  readonly selector: TableSelector;
  readonly settings: TaskSettings;
  readonly supports: MapperSupport;
  readonly topics: TaskTopics;
  readonly kafka: KafkaSettings;
  readonly registry: RegistrySettings;
  /** Of what a task may not change from one run to the next. */
  readonly definition: string;
  openSource(): Promise<CaptureSource>;
  openSink(): Promise<SinkWriter>;
}

/** @throws MillraceError for a mapping or settings file that cannot work, naming rule or setting. */
export async function openTask(config: TaskConfig): Promise<Task> {
  const mappingText = config.tableMappings === undefined ? null : await readText(config.tableMappings, 'table mappings');
  const mapping =
    mappingText === null
      ? mappingFromPatterns(config.include.length > 0 ? config.include : ['%.%'], config.exclude)
      : parseTableMappings(mappingText);
  if (mappingText !== null && config.include.length + config.exclude.length > 0)
    throw new MillraceError('CONFIG_SELECTION_TWICE');
  const settingsText = config.taskSettings === undefined ? null : await readText(config.taskSettings, 'task settings');
  const settings = parseTaskSettings(settingsText, config.taskSettings ?? '');
  return {
    config,
    mapping,
    selector: createSelector(mapping),
    settings,
    supports: { insertsOverwrite: settings.policy.insertConflict === 'UPDATE_RECORD' },
    topics: topicsOf(config.name),
    kafka: kafkaSettings(config),
    registry: registrySettings(config.registry),
    definition: definitionOf(config, mappingText),
    openSource: () => openSource({ url: config.source, task: config.name, publication: config.publication ?? null }),
    openSink: () => openSink({ url: config.target, task: config.name, policy: settings.policy }),
  };
}

export function topicsOf(name: string): TaskTopics {
  return { journal: `${name}.journal`, load: `${name}.load`, deadLetters: `${name}.dead-letters` };
}

/** User and password leave the URL, so that no message which names the registry shows them. */
export function registrySettings(text: string): RegistrySettings {
  const url = new URL(text);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const login = username === '' ? null : { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { url: url.href.replace(/\/$/, ''), login };
}

export function kafkaSettings(
  config: Pick<TaskConfig, 'kafka' | 'kafkaTls' | 'kafkaSasl' | 'kafkaUsername' | 'kafkaPassword'>,
): KafkaSettings {
  const { kafkaSasl: mechanism, kafkaUsername: username, kafkaPassword: password } = config;
  if (mechanism !== undefined && (username === undefined || password === undefined))
    throw new MillraceError('CONFIG_SASL_INCOMPLETE', { mechanism });
  const sasl =
    mechanism === undefined || username === undefined || password === undefined ? null : { mechanism, username, password };
  return { brokers: config.kafka.split(','), tls: config.kafkaTls ? { ca: null, client: null } : null, sasl };
}

/** What decides which rows the target holds. Addresses, secrets and how a run ends are free to change. */
function definitionOf(config: TaskConfig, mappingText: string | null): string {
  const parts = [config.migrationType, mappingText ?? JSON.stringify([config.include, config.exclude])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

async function readText(path: string, what: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new MillraceError(
      'CONFIG_FILE',
      { path, problem: `${what} cannot be read (${cause instanceof Error ? cause.message : String(cause)})` },
      { cause },
    );
  });
}
