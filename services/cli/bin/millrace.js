#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

// A checkout builds itself once: `npm ci` does it through `prepare`, unless scripts are switched off.
const main = at('../dist/bundle/main.js');
if (!existsSync(main)) {
  const build = spawnSync(process.execPath, [at('../bundle.js')], { stdio: ['ignore', 2, 2] });
  if (build.status !== 0) {
    process.stderr.write('Millrace is not built and could not build itself. Run `npm ci` in its folder.\n');
    process.exit(1);
  }
}
// lz4-napi allocates with mimalloc, which keeps what was freed: a sink of 1 MB values grew to 443 MB with its default, and to 323 without.
process.env.MIMALLOC_PURGE_DELAY ??= '0';
await import(main);
