// Puts the command's two programs into a few files, with the libraries that they use. Loading a thousand modules one by one took each of a
// run's three processes longer than anything else at its start (ADR 0006).
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const outdir = here('dist/bundle');
// The shared parts are named by their content: those of an earlier build would stay.
await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: { main: here('src/main.ts'), worker: here('src/worker/main.ts') },
  outdir,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  conditions: ['source'],
  sourcemap: 'linked',
  sourcesContent: false,
  // Native code, and what pg only looks for.
  external: ['@node-rs/crc32', 'lz4-napi', 'pg-native'],
  // CommonJS libraries ask for Node's own modules.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  logLevel: 'warning',
});
