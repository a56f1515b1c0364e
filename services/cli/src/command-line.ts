import { type ConfigSources, loadConfig, type RawOptions } from '@millrace/config/load-config.js';
import { type OptionDefinition, TASK_OPTIONS, type TaskOption, taskConfigSchema } from '@millrace/config/task-options.js';
import { type Command, Option } from 'commander';
import type { z } from 'zod';

/** The options of every command, as selections of the one definition. */
export const RUN_OPTIONS = taskConfigSchema;

/** `journal`, `status` and `remove`: a name and the connections. */
export const CONNECTION_OPTIONS = taskConfigSchema.pick({
  name: true,
  source: true,
  target: true,
  kafka: true,
  registry: true,
  json: true,
  logLevel: true,
  publication: true,
  kafkaTls: true,
  kafkaSasl: true,
  kafkaUsername: true,
  kafkaPassword: true,
});

/** Adds the flags of the schema's options, and to the help what has none. Words are checked by the configuration, whose errors name flag and value. */
export function addOptions(command: Command, schema: z.ZodObject<z.ZodRawShape>): Command {
  const withoutFlag: string[] = [];
  for (const [name, definition] of Object.entries(TASK_OPTIONS)) {
    if (!(name in schema.shape)) continue;
    const { flag, env, help }: OptionDefinition = definition;
    if (flag === null) {
      withoutFlag.push(`  ${`${name} [${env ?? ''}]`.padEnd(42)} ${help}`);
      continue;
    }
    const option = new Option(flag, env === null ? help : `${help} [${env}]`);
    if (isList(name)) option.argParser((value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value]);
    command.addOption(option);
  }
  return command.addHelpText('after', `\nWithout a flag, from the environment or the task file:\n${withoutFlag.join('\n')}`);
}

function isList(name: string): boolean {
  const lists: readonly TaskOption[] = ['include', 'exclude'];
  return lists.some((list) => list === name);
}

/** Reads one command's configuration: flags over environment over file. */
export function readConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  flags: RawOptions,
  file: string | null,
): Promise<z.infer<z.ZodObject<Shape>>> {
  const sources: ConfigSources = { flags, env: process.env, file };
  return loadConfig(schema, sources);
}
