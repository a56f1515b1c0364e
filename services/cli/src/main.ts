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
import { describeFailure, failureText, tellStack } from './failure.js';
import { refusedLine } from './run/json-reporter.js';

type Flags = Readonly<Record<string, unknown>>;

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

addOptions(program.command('journal'), CONNECTION_OPTIONS)
  .description('print the journal as JSON lines')
  .option('--from <offset>', 'journal offset to begin at')
  .option('--table <schema.table>', 'only this table')
  .option('--follow', 'go on as it grows')
  .action((flags: Flags) =>
    finish('journal', flags, async () =>
      journalCommand(await readConfig(CONNECTION_OPTIONS.partial({ source: true, target: true }), flags, null), flags),
    ),
  );

addOptions(program.command('status'), CONNECTION_OPTIONS)
  .description('tell where a task stands, from the journal and the target alone')
  .action((flags: Flags) =>
    finish('status', flags, async () =>
      statusCommand(await readConfig(CONNECTION_OPTIONS.partial({ source: true }), flags, null)),
    ),
  );

addOptions(program.command('remove'), CONNECTION_OPTIONS)
  .description('drop what a task made: slot, publication, topics, checkpoint; the rows in the target stay')
  .option('--yes', 'do not ask')
  .action((flags: Flags) =>
    finish('remove', flags, async () => removeCommand(await readConfig(CONNECTION_OPTIONS, flags, null), flags['yes'] === true)),
  );

function taskCommand(
  name: string,
  description: string,
  act: (config: Awaited<ReturnType<typeof readRunConfig>>) => Promise<number>,
): void {
  addOptions(program.command(name), RUN_OPTIONS)
    .description(description)
    .argument('[TASK.yaml]', 'file with the same options as keys')
    .action((file: string | undefined, flags: Flags) =>
      finish(name, flags, async () => act(await readRunConfig(flags, file ?? null))),
    );
}

function readRunConfig(flags: Flags, file: string | null) {
  return readConfig(RUN_OPTIONS, flags, file);
}

async function finish(command: string, flags: Flags, act: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await act();
  } catch (error) {
    tellStack(error, flags['logLevel'] ?? process.env['MILLRACE_LOG_LEVEL']);
    refuse(error, { command, json: flags['json'] === true });
  }
}

/** An error met before anything was started: on stderr for people; `run --json` says its last word on stdout too. */
function refuse(error: unknown, { command, json }: { readonly command: string; readonly json: boolean }): void {
  const failure = describeFailure(error);
  process.stderr.write(`${failureText(failure)}\n`);
  if (json && command === 'run') process.stdout.write(refusedLine(failure));
  process.exitCode = refusalExitCode(error, command);
}

/** Help that was asked for is no error; without a command it is shown all the same, as what is missing. */
function usage(error: CommanderError): void {
  if (error.exitCode === 0) return;
  if (error.code === 'commander.help') {
    process.exitCode = 2;
    return;
  }
  const problem = error.message.replace(/^error: /, '');
  refuse(new MillraceError('USAGE_UNKNOWN', { problem }, { cause: error }), {
    command: process.argv[2] ?? '',
    json: process.argv.includes('--json'),
  });
}

// A reader that closes the pipe (`| head`) has seen enough; what runs goes on.
process.stdout.on('error', () => undefined);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  usage(error);
}
// A connection that its server keeps open must not keep the command.
process.stdout.write('', () => process.exit());
