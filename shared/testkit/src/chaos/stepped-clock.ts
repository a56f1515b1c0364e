import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PRELOAD = pathToFileURL(fileURLToPath(new URL('../../bin/step-clock.mjs', import.meta.url))).href;

/** The wall clock of a command and its workers, apart from everybody else's. */
export interface SteppedClock {
  /** For the command. */
  readonly environment: Readonly<Record<string, string>>;
  /** Sets it so far off the true time; the processes see it within 50 ms. */
  readonly setOff: (hours: number) => Promise<void>;
}

export async function steppedClock(dir: string): Promise<SteppedClock> {
  const file = join(dir, 'clock');
  const setOff = (hours: number): Promise<void> => writeFile(file, String(hours * 3_600_000));
  await setOff(0);
  return { environment: { MILLRACE_TEST_CLOCK: file, NODE_OPTIONS: `--import=${PRELOAD}` }, setOff };
}
