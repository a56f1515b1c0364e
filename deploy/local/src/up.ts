// `make up`: starts the local servers and leaves them running until `make down`.
import { join } from 'node:path';
import { MILLRACE_DIR } from './paths.js';
import { reportToTerminal } from './progress.js';
import { runCommand } from './run-command.js';
import { enginesOf, up } from './stack.js';

await runCommand(async () => {
  const envFile = join(MILLRACE_DIR, 'local.env');
  await up({ dir: join(MILLRACE_DIR, 'stack'), envFile, engines: enginesOf(), report: reportToTerminal });
  reportToTerminal(
    'All servers answer; their addresses are in .millrace/local.env. `make down` stops them, their data stays in .millrace/stack.',
  );
});
