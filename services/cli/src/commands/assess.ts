import type { TaskConfig } from '@millrace/config/task-options.js';
import { assessTask } from '../run/preflight.js';
import { openTask } from '../task/task.js';

/** `millrace assess`: what both ends find, as a table or JSON lines. Exit code 1 where a finding would refuse the start. */
export async function assessCommand(config: TaskConfig): Promise<number> {
  const task = await openTask(config);
  await using source = await task.openSource();
  await using sink = await task.openSink();
  const findings = await assessTask(task, source, sink);
  for (const finding of findings) {
    if (config.json) process.stdout.write(`${JSON.stringify(finding)}\n`);
    else
      process.stdout.write(
        `${finding.severity.padEnd(8)}${finding.code} at ${finding.where}\n        ${finding.message}\n        → ${finding.remedy}\n`,
      );
  }
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  if (!config.json) process.stdout.write(`${findings.length} finding(s), ${errors} of them would refuse the start.\n`);
  return errors > 0 ? 1 : 0;
}
