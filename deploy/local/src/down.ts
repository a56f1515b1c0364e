// `make down`: stops what `make up` left running; the data stays.
import { join } from 'node:path';
import { MILLRACE_DIR } from './paths.js';
import { reportToTerminal } from './progress.js';
import { runCommand } from './run-command.js';
import { down } from './stack.js';

await runCommand(async () => {
  const stopped = await down({ dir: join(MILLRACE_DIR, 'stack'), envFile: join(MILLRACE_DIR, 'local.env') });
  reportToTerminal(
    stopped.length === 0 ? 'No server was running.' : `Stopped: ${stopped.join(', ')}. The data stays in .millrace/stack.`,
  );
});
