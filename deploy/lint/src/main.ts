// `make lint`: the rules that TypeScript, Biome and ESLint do not know.
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDeclarations } from './declarations.js';
import { checkDependencies, type Violation } from './dependency-rules.js';
import { parseSourceFile } from './source-file.js';
import { checkText } from './text-rules.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.millrace']);
const TEXT_FILE =
  /\.(ts|tsx|js|mjs|cjs|json|md|yml|yaml|sql|xml|sh|svg|html|css|txt|toml|env)$|(^|\/)(Makefile|Dockerfile|run|\.\w+ignore|LICENSE)$/;
/** A home of `/` would be found everywhere. */
const machinePaths = [ROOT, `${homedir()}/`].filter((path) => path.length > 2);

const declarations = await readDeclarations(ROOT);
const violations: Violation[] = [];
let files = 0;
for await (const path of walk('')) {
  if (!TEXT_FILE.test(path)) continue;
  files += 1;
  const text = await readFile(join(ROOT, path), 'utf8');
  violations.push(...checkText(path, text, machinePaths));
  if (/^(shared|services|deploy)\/[^/]+\/src\/.*\.tsx?$/.test(path))
    violations.push(...checkDependencies(parseSourceFile(path, text), declarations));
}

for (const { path, line, found, rule } of violations) process.stderr.write(`${path}:${line}: ${found}\n    ${rule}\n`);
process.stderr.write(
  violations.length === 0
    ? `Rules of the repository: ${files} files, all hold.\n`
    : `Rules of the repository: ${violations.length} broken.\n`,
);
process.exitCode = violations.length === 0 ? 0 : 1;

async function* walk(folder: string): AsyncGenerator<string> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true });
  for (const entry of entries) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (NOT_OURS.has(entry.name)) continue;
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}
