import { readFile } from 'node:fs/promises';
import { type OptionDefinition, TASK_OPTIONS } from '@millrace/config/task-options.js';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addOptions, CONNECTION_OPTIONS, RUN_OPTIONS, readConfig } from './command-line.js';

test('`run` has exactly the flags that scripts rely on', () => {
  const flags = addOptions(new Command(), RUN_OPTIONS).options.map(({ long }) => long);
  const wanted =
    '--name --source --target --migration-type --table-mappings --task-settings --include --exclude --kafka --registry --until --json --metrics-port --log-level';
  expect(flags).toEqual(wanted.split(' '));
});

test('`journal`, `status` and `remove` take the name and the connections', () => {
  const flags = addOptions(new Command(), CONNECTION_OPTIONS).options.map(({ long }) => long);
  expect(flags).toEqual(['--name', '--source', '--target', '--kafka', '--registry', '--json', '--log-level']);
});

test('what has no flag is named below the flags in the help', () => {
  let help = '';
  const output = {
    writeOut: (text: string): void => {
      help += text;
    },
  };
  addOptions(new Command().configureOutput(output), RUN_OPTIONS).outputHelp();
  for (const word of ['outageMinutes [MILLRACE_OUTAGE_MINUTES]', 'kafkaPassword [KAFKA_SASL_PASSWORD]'])
    expect(help).toContain(word);
});

test('--include and --exclude are repeatable', () => {
  const command = addOptions(new Command(), RUN_OPTIONS).parse(['--include', 'a.b', '--include', 'c.d'], { from: 'user' });
  expect(command.opts()['include']).toEqual(['a.b', 'c.d']);
});

test('a flag that is missing is named with the variable that could stand for it', async () => {
  await expect(readConfig(CONNECTION_OPTIONS, { name: 'x' }, null)).rejects.toMatchObject({
    code: 'USAGE_OPTION_MISSING',
    details: { option: '--source', env: 'SOURCE_URL' },
  });
});

test('the README lists every option as the definition has it', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  for (const [key, definition] of Object.entries(TASK_OPTIONS)) {
    const { flag, env, help }: OptionDefinition = definition;
    const row = `| ${flag === null ? '' : `\`${flag}\``} | ${env === null ? '' : `\`${env}\``} | \`${key}\` | ${help} |`;
    expect(readme).toContain(row);
  }
});
