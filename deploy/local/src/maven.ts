import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { LIBRARY_DIR } from './paths.js';
import { hasProgram, runProgram } from './run-program.js';
import { reasonText } from './wait-until.js';

// 3.8.1 resolves a pom's dependencies; 2.10 copies a single artifact without reading its parents' poms, which Apicurio's releases
// of the 3.0 line do not all have on Maven Central.
const DEPENDENCIES_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';
const SINGLE_ARTIFACT_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:2.10';

/** Where the pom's dependencies are or will be. A changed pom makes a folder of its own. */
export async function folderOfPom(name: string, pom: string): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex');
  return join(LIBRARY_DIR, `${name}-${digest.slice(0, 12)}`);
}

/** Copies all runtime jars of the pom's dependencies into `dir`. @throws MillraceError `LOCAL_DOWNLOAD_FAILED`, `LOCAL_PREREQUISITE_MISSING` */
export async function copyDependencies(what: string, pom: string, dir: string): Promise<void> {
  await maven(what, dir, [
    '-f',
    pom,
    `${DEPENDENCIES_PLUGIN}:copy-dependencies`,
    '-DincludeScope=runtime',
    `-DoutputDirectory=${dir}`,
  ]);
}

/** Copies one artifact, `group:artifact:version:type:classifier`, into `dir`. @throws as copyDependencies */
export async function copyArtifact(what: string, artifact: string, dir: string): Promise<void> {
  await maven(what, dir, [`${SINGLE_ARTIFACT_PLUGIN}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${dir}`]);
}

/** Unpacks one artifact, `group:artifact:version:type`, into `dir`. @throws as copyDependencies */
export async function unpackArtifact(what: string, artifact: string, dir: string): Promise<void> {
  await maven(what, dir, [`${SINGLE_ARTIFACT_PLUGIN}:unpack`, `-Dartifact=${artifact}`, `-DoutputDirectory=${dir}`]);
}

/** @throws MillraceError `LOCAL_PREREQUISITE_MISSING` */
export async function requireMaven(): Promise<void> {
  if (await hasProgram('mvn')) return;
  throw new MillraceError('LOCAL_PREREQUISITE_MISSING', {
    what: 'Maven (`mvn`)',
    needed: 'The servers that run on Java are fetched with it, once.',
    remedy: 'Debian, Ubuntu: `apt-get install maven`. macOS: `brew install maven`.',
  });
}

async function maven(what: string, cwd: string, args: readonly string[]): Promise<void> {
  await requireMaven();
  try {
    await runProgram('mvn', ['-B', '-q', '-ntp', ...args], { cwd });
  } catch (cause) {
    throw new MillraceError('LOCAL_DOWNLOAD_FAILED', { what, reason: firstErrorLine(cause) }, { cause });
  }
}

function firstErrorLine(cause: unknown): string {
  const output = cause instanceof Error && 'stdout' in cause ? String(cause.stdout) : '';
  return output.split('\n').find((line) => line.includes('[ERROR]')) ?? reasonText(cause);
}
