import type { TestProject } from 'vitest/node';
import { openServerDesk } from './server-desk.js';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly millraceServerDesk: string;
  }
}

/** Each project loads this file anew; the desk that the run's first one opened is found through the environment. */
const DESK_OF_THIS_RUN = 'MILLRACE_TEST_SERVER_DESK';

/** vitest's globalSetup of the projects that use real servers: opens the run's desk, starts no server yet. Returns the teardown. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const open = process.env[DESK_OF_THIS_RUN];
  if (open !== undefined) {
    project.provide('millraceServerDesk', open);
    return () => Promise.resolve();
  }
  quickJavas(process.env);
  const desk = await openServerDesk();
  process.env[DESK_OF_THIS_RUN] = desk.url;
  project.provide('millraceServerDesk', desk.url);
  return async () => {
    delete process.env[DESK_OF_THIS_RUN];
    await desk[Symbol.asyncDispose]();
  };
}

/**
 * A server that lives for a test pays for its start alone. Without the second compiler a registry starts with half of the processor
 * time (5 s instead of 9) and Kafka with two thirds of it. Test files inherit the environment, and the servers that they start do.
 */
function quickJavas(environment: NodeJS.ProcessEnv): void {
  environment['JDK_JAVA_OPTIONS'] ??= '-XX:TieredStopAtLevel=1';
}
