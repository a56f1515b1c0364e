import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import type { Import, SourceFile } from './source-file.js';

export interface Violation {
  readonly path: string;
  readonly line: number;
  /** What was found there. */
  readonly found: string;
  /** The rule's sentence. */
  readonly rule: string;
}

/** What a package's own package.json says, by its folder (`shared/codec`); and the root's development tools. */
export interface Declarations {
  readonly dependencies: ReadonlyMap<string, ReadonlySet<string>>;
  readonly developmentTools: ReadonlySet<string>;
  /** Name of each workspace to its folder: `@millrace/codec` → `shared/codec`. */
  readonly folders: ReadonlyMap<string, string>;
}

const RULES = {
  contract: 'shared/contract imports nothing: it is what everything else agrees on.',
  pure: 'shared/mapping, shared/codec, shared/conversion and shared/apply do no I/O: they import contract, errors, and pure packages alone.',
  service: 'A service imports shared/* and its own driver, never another service; services/cli alone hosts the others.',
  connector:
    'A connector imports contract, errors, config, telemetry, codec, flow, mapping, conversion and its own engine alone: the runtimes, the journal and the catalogue import it, not the other way round.',
  engine: "What an engine's connectors share (shared/postgres, shared/mysql) is imported by them and the catalogue alone.",
  apply: 'shared/apply is what sinks share: they alone import it.',
  runtime: 'The runtimes never name a database: what differs between databases is behind the connector contract.',
  journal: 'Only shared/journal imports a Kafka or schema registry client.',
  catalogue: 'Only shared/connectors imports a connector, in one line for each.',
  testkit: 'shared/testkit and testing/ folders are imported from tests and from the testkit alone.',
  byName: 'Another package is imported by its name, never by a path into its folder.',
  declared: "A package's package.json names what the package imports.",
  barrel: 'No barrel files: a file that only passes on what others export hides where things are.',
  length: 'A file has at most 500 lines: one idea a file.',
} as const;

const MAX_LINES = 500;
const KAFKA_CLIENTS = new Set([
  'kafkajs',
  '@kafkajs/confluent-schema-registry',
  '@platformatic/kafka',
  'node-rdkafka',
  '@confluentinc/kafka-javascript',
  '@confluentinc/schemaregistry',
]);
/** The health check of a broker that one starts oneself needs a client too. */
const KAFKA_PACKAGES = new Set(['shared/journal', 'deploy/local']);
const PURE_PACKAGES = new Set(['shared/mapping', 'shared/codec', 'shared/conversion', 'shared/apply']);
const PURE_IMPORTS = new Set([
  '@millrace/contract',
  '@millrace/errors',
  '@millrace/codec',
  '@millrace/conversion',
  '@node-rs/crc32',
  'avsc',
  'zod',
  'node:buffer',
  'node:crypto',
  'node:util',
  'node:zlib',
  'node:assert',
]);
const RUNTIMES = new Set(['shared/capture-runtime', 'shared/sink-runtime']);
const CONNECTOR_IMPORTS = new Set(
  ['contract', 'errors', 'config', 'telemetry', 'codec', 'flow', 'mapping', 'conversion', 'apply'].map(
    (name) => `@millrace/${name}`,
  ),
);
/** Folder of what an engine's connectors share, and the end of those connectors' names. */
const ENGINE_PACKAGES = new Map([
  ['shared/postgres', 'postgres'],
  ['shared/mysql', 'mysql'],
]);
const DATABASE_NAME = /postgres|pgoutput|mysql|mariadb|mongo|oracle|mssql|sqlserver|dynamodb|opensearch|\bpg\b/i;
/** A package's own test support lies in `src/testing`, for its tests and for the testkit. */
const TEST_FILE = /\.(test|bench)\.ts$|\/src\/testing\//;
const NODE_MODULES = new Set(builtinModules.map((name) => `node:${name.split('/')[0] ?? name}`));

/** All violations of the dependency rules in one file. Tests may import more: what they drive, read and compare with. */
export function checkDependencies(file: SourceFile, declarations: Declarations): readonly Violation[] {
  const folder = folderOf(file.path);
  const isTest = TEST_FILE.test(file.path);
  const found: Violation[] = [];
  const report = (rule: keyof typeof RULES, line: number, what: string): void => {
    found.push({ path: file.path, line, found: what, rule: RULES[rule] });
  };

  if (file.lines > MAX_LINES) report('length', file.lines, `${file.lines} lines`);
  if (file.onlyPassesOn || posix.basename(file.path) === 'index.ts') report('barrel', 1, posix.basename(file.path));
  for (const imported of file.imports) {
    for (const rule of brokenBy(imported, { file, folder, isTest, declarations }))
      report(rule, imported.line, `import of '${imported.specifier}'`);
  }
  if (RUNTIMES.has(folder) && !isTest) {
    for (const word of file.words) if (DATABASE_NAME.test(word.text)) report('runtime', word.line, `'${word.text}'`);
  }
  return found;
}

interface Place {
  readonly file: SourceFile;
  readonly folder: string;
  readonly isTest: boolean;
  readonly declarations: Declarations;
}

function brokenBy(imported: Import, place: Place): readonly (keyof typeof RULES)[] {
  const { folder, isTest, declarations } = place;
  const reachesTests = !isTest && folder !== 'shared/testkit' && imported.specifier.includes('/testing/');
  if (imported.package === undefined) {
    const target = posix.join(posix.dirname(place.file.path), imported.specifier);
    if (folderOf(target) !== folder) return ['byName'];
    return reachesTests ? ['testkit'] : [];
  }
  const name = imported.package;
  const home = declarations.folders.get(name);
  const broken: (keyof typeof RULES)[] = [];
  if (!isDeclared(name, place)) broken.push('declared');
  if (isTest) return broken;

  if (folder === 'shared/contract') broken.push('contract');
  if (PURE_PACKAGES.has(folder) && !PURE_IMPORTS.has(name)) broken.push('pure');
  if (KAFKA_CLIENTS.has(name) && !KAFKA_PACKAGES.has(folder)) broken.push('journal');
  if (reachesTests || (home === 'shared/testkit' && folder !== 'shared/testkit')) broken.push('testkit');
  if (home === undefined || home === folder) return broken;

  if (home === 'shared/apply' && !isSink(folder)) broken.push('apply');
  const engine = ENGINE_PACKAGES.get(home);
  if (engine !== undefined) {
    if (!folder.endsWith(`-${engine}`) && folder !== 'shared/connectors' && folder !== 'shared/testkit') broken.push('engine');
    return broken;
  }
  if (folder.startsWith('services/') && home.startsWith('services/') && !(folder === 'services/cli' && !isConnector(home)))
    broken.push('service');
  else if (isConnector(home) && folder !== 'shared/connectors') broken.push(RUNTIMES.has(folder) ? 'runtime' : 'catalogue');
  else if (isConnector(folder) && !CONNECTOR_IMPORTS.has(name) && home !== 'shared/testkit') broken.push('connector');
  return broken;
}

function isConnector(folder: string): boolean {
  return /^services\/(capture|sink)-/.test(folder);
}

function isSink(folder: string): boolean {
  return folder.startsWith('services/sink-');
}

/** A package of its own imports itself by relative paths only; tests use the development tools and other packages of the workspace. */
function isDeclared(name: string, place: Place): boolean {
  const { folder, isTest, declarations } = place;
  if (NODE_MODULES.has(name)) return true;
  if (declarations.dependencies.get(folder)?.has(name) === true) return true;
  const mayUseTools = isTest || folder === 'shared/testkit' || folder === 'deploy/lint';
  if (!mayUseTools) return false;
  return (
    declarations.developmentTools.has(name) || (isTest && (declarations.folders.has(name) || anyDeclares(name, declarations)))
  );
}

function anyDeclares(name: string, declarations: Declarations): boolean {
  return [...declarations.dependencies.values()].some((names) => names.has(name));
}

/** `shared/codec` for `shared/codec/src/block.ts`. */
function folderOf(path: string): string {
  return path.split('/').slice(0, 2).join('/');
}
