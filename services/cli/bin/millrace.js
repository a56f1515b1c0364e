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
// Blocks are packed and unpacked in these threads, and what each of them has freed is kept for it alone: with Node's four, a sink of
// values of 1 MB grew by 100 MB more.
process.env.UV_THREADPOOL_SIZE ??= '2';
await import(main);
