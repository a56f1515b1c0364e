import { MillraceError } from '@millrace/errors/millrace-error.js';
import { Command, CommanderError } from 'commander';
import { addOptions, CONNECTION_OPTIONS, RUN_OPTIONS, readConfig } from './command-line.js';
import { assessCommand } from './commands/assess.js';
import { journalCommand } from './commands/journal.js';
import { removeCommand } from './commands/remove.js';
import { runCommand } from './commands/run.js';
import { serviceCommand } from './commands/service.js';
import { statusCommand } from './commands/status.js';
import { verifyCommand } from './commands/verify.js';
import { refusalExitCode } from './exit-code.js';
import { describeFailure } from './failure.js';

const program = new Command('millrace')
  .description('Moves a database to another, once or for ever: exact, resumable, self-hosted.')
  .version('0.1.0')
  .showSuggestionAfterError()
  .exitOverride()
  .configureOutput({ outputError: () => undefined });

taskCommand('run', 'replicate in the foreground: capture and sink, each in a process of its own', runCommand);
taskCommand('capture', 'only the capture: source to journal', (config) => serviceCommand('capture', config));
taskCommand('sink', 'only the sink: journal to target', (config) => serviceCommand('sink', config));
taskCommand('assess', 'tell what would go wrong, change nothing', assessCommand);
taskCommand('verify', 'compare every selected row of source and target', verifyCommand);

addOptions(program.command('journal'), CONNECTION_OPTIONS.pick({ name: true, kafka: true, registry: true }))
  .description('print the journal as JSON lines')
  .option('--from <offset>', 'journal offset to begin at')
  .option('--table <schema.table>', 'only this table')
  .option('--follow', 'go on as it grows')
  .action(async (flags: Record<string, unknown>) => {
    await finish(async () =>
      journalCommand(await readConfig(CONNECTION_OPTIONS.omit({ source: true, target: true }), flags, null), flags),
    );
  });

addOptions(program.command('status'), CONNECTION_OPTIONS)
  .description('tell where a task stands, from the journal and the target alone')
  .action(async (flags: Record<string, unknown>) => {
    await finish(async () => statusCommand(await readConfig(CONNECTION_OPTIONS.partial({ source: true }), flags, null)));
  });

addOptions(program.command('remove'), CONNECTION_OPTIONS)
  .description('drop what a task made: slot, publication, topics, checkpoint; the rows in the target stay')
  .option('--yes', 'do not ask')
  .action(async (flags: Record<string, unknown>) => {
    await finish(async () => removeCommand(await readConfig(CONNECTION_OPTIONS, flags, null), flags['yes'] === true));
  });

function taskCommand(
  name: string,
  description: string,
  act: (config: Awaited<ReturnType<typeof readRunConfig>>) => Promise<number>,
): void {
  addOptions(program.command(name), RUN_OPTIONS)
    .description(description)
    .argument('[TASK.yaml]', 'file with the same options as keys')
    .action(async (file: string | undefined, flags: Record<string, unknown>) => {
      await finish(async () => act(await readRunConfig(flags, file ?? null)), { command: name, json: flags['json'] === true });
    });
}

function readRunConfig(flags: Record<string, unknown>, file: string | null) {
  return readConfig(RUN_OPTIONS, flags, file);
}

async function finish(
  command: () => Promise<number>,
  told: { readonly command: string; readonly json: boolean } = { command: '', json: false },
): Promise<void> {
  try {
    process.exitCode = await command();
  } catch (error) {
    refuse(error, told);
  }
}

/** An error met before anything was started: on stderr for people; `run --json` says its last word on stdout too. */
function refuse(error: unknown, told: { readonly command: string; readonly json: boolean }): void {
  const failure = describeFailure(error);
  if (process.argv.includes('debug') && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  process.stderr.write(`${failure.code}: ${failure.message}\n  why     ${failure.cause}\n  remedy  ${failure.remedy}\n`);
  if (told.json && told.command === 'run') {
    process.stdout.write(
      `${JSON.stringify({ event: 'stopped', reason: 'refused', error: failure, tables: [], sourceLagMs: null, targetLagMs: null })}\n`,
    );
  }
  process.exitCode = refusalExitCode(error);
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode === 0) process.exitCode = 0;
  else
    refuse(new MillraceError('USAGE_UNKNOWN', { problem: error.message.replace(/^error: /, '') }, { cause: error }), {
      command: process.argv[2] ?? '',
      json: process.argv.includes('--json'),
    });
}
