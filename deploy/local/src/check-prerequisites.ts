// Run by make before the targets that start servers.
import { checkPrerequisites } from './prerequisites.js';
import { runCommand } from './run-command.js';

await runCommand(() => checkPrerequisites());
