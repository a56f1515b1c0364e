import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Declarations } from './dependency-rules.js';

/** Reads the package.json files of the root and of every workspace folder. */
export async function readDeclarations(root: string): Promise<Declarations> {
  const dependencies = new Map<string, ReadonlySet<string>>();
  const folders = new Map<string, string>();
  for (const parent of ['shared', 'services', 'deploy']) {
    for (const name of await readdir(join(root, parent))) {
      const folder = `${parent}/${name}`;
      const text = await readFile(join(root, folder, 'package.json'), 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      const manifest: unknown = JSON.parse(text);
      dependencies.set(folder, new Set(keysOf(manifest, 'dependencies')));
      const packageName = Object(manifest).name;
      if (typeof packageName === 'string') folders.set(packageName, folder);
    }
  }
  const rootManifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return { dependencies, folders, developmentTools: new Set(keysOf(rootManifest, 'devDependencies')) };
}

function keysOf(manifest: unknown, section: string): readonly string[] {
  const found: unknown = Object(manifest)[section];
  return typeof found === 'object' && found !== null ? Object.keys(found) : [];
}
