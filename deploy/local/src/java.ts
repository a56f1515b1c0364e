import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { exists } from './artifact.js';
import { runProgram } from './run-program.js';

export interface Java {
  readonly command: string;
  /** Feature version: 17, 21, 25. */
  readonly version: number;
}

/** Where packages put JDKs: Debian and Fedora, macOS, Homebrew, SDKMAN. */
const JDK_FOLDERS = [
  '/usr/lib/jvm',
  '/opt/java',
  '/Library/Java/JavaVirtualMachines',
  '/opt/homebrew/opt',
  '/usr/local/opt',
  ...(process.env['HOME'] === undefined ? [] : [join(process.env['HOME'], '.sdkman/candidates/java')]),
];

const JAVA_INSIDE = ['bin/java', 'Contents/Home/bin/java', 'libexec/openjdk.jdk/Contents/Home/bin/java'];

let found: Promise<readonly Java[]> | undefined;

/** Every Java from 17 on that this machine has, the newest last. Looked up once per process. */
export async function installedJavas(): Promise<readonly Java[]> {
  found ??= findJavas();
  return await found;
}

/**
 * The oldest installed Java from 17 on, which is the one that Kafka's release line is tested with.
 *
 * @throws MillraceError `LOCAL_PREREQUISITE_MISSING`
 */
export async function oldestJava(): Promise<Java> {
  const [oldest] = await installedJavas();
  if (oldest === undefined) throw javaMissing();
  return oldest;
}

/** The newest installed Java. @throws MillraceError `LOCAL_PREREQUISITE_MISSING` */
export async function newestJava(): Promise<Java> {
  const newest = (await installedJavas()).at(-1);
  if (newest === undefined) throw javaMissing();
  return newest;
}

function javaMissing(): MillraceError {
  return new MillraceError('LOCAL_PREREQUISITE_MISSING', {
    what: 'Java 17 or newer',
    needed: 'Kafka and the schema registry run on it. Looked in JAVA_HOME, PATH and the usual folders for JDKs.',
    remedy: 'Debian, Ubuntu: `apt-get install openjdk-17-jre-headless`. macOS: `brew install openjdk`.',
  });
}

async function findJavas(): Promise<readonly Java[]> {
  const home = process.env['JAVA_HOME'];
  const candidates = home === undefined || home === '' ? ['java'] : [join(home, 'bin/java'), 'java'];
  for (const folder of JDK_FOLDERS) {
    const names = await readdir(folder).catch(() => []);
    for (const inside of names
      .filter((name) => /j(dk|re)|java|temurin|zulu|corretto|graal|\d/i.test(name))
      .flatMap((name) => JAVA_INSIDE.map((java) => join(folder, name, java)))) {
      if (await exists(inside)) candidates.push(inside);
    }
  }
  const javas = await Promise.all(candidates.map(askVersion));
  const usable = javas.filter((java) => java !== undefined && java.version >= 17);
  return usable.filter((java) => java !== undefined).sort((a, b) => a.version - b.version);
}

async function askVersion(command: string): Promise<Java | undefined> {
  try {
    return { command, version: parseJavaVersion(await runProgram(command, ['-version'])) };
  } catch {
    return undefined;
  }
}

/** Reads `java -version`: `openjdk version "17.0.15" 2025-04-15` is 17, `"1.8.0_392"` is 8. 0 where there is none. */
export function parseJavaVersion(text: string): number {
  const match = /version "(?:1\.)?(\d+)/.exec(text);
  return Number(match?.[1] ?? 0);
}
