import { describe, expect, test } from 'vitest';
import { checkDependencies, type Declarations } from './dependency-rules.js';
import { parseSourceFile } from './source-file.js';

const declarations: Declarations = {
  dependencies: new Map([
    ['shared/contract', new Set(['zod'])],
    ['shared/codec', new Set(['@millrace/contract', 'avsc', 'pg'])],
    ['shared/mapping', new Set(['@millrace/contract', 'zod'])],
    ['shared/journal', new Set(['@millrace/contract', 'kafkajs'])],
    [
      'shared/sink-runtime',
      new Set(['@millrace/contract', '@millrace/apply', '@millrace/sink-postgres', 'kafkajs', '@millrace/testkit']),
    ],
    ['shared/connectors', new Set(['@millrace/sink-postgres'])],
    ['shared/testkit', new Set(['@millrace/journal'])],
    [
      'services/sink-postgres',
      new Set(['@millrace/contract', '@millrace/capture-postgres', '@millrace/journal', '@millrace/testkit', 'pg']),
    ],
    ['services/capture-postgres', new Set(['pg'])],
    ['services/cli', new Set(['@millrace/sink-postgres', '@millrace/journal'])],
    ['deploy/local', new Set(['kafkajs'])],
  ]),
  developmentTools: new Set(['vitest']),
  folders: new Map(
    [
      'shared/contract',
      'shared/codec',
      'shared/apply',
      'shared/journal',
      'shared/postgres',
      'shared/testkit',
      'services/sink-postgres',
      'services/capture-postgres',
    ].map((folder) => [`@millrace/${folder.split('/')[1] ?? ''}`, folder]),
  ),
};

function rulesBroken(path: string, text: string): readonly string[] {
  return checkDependencies(parseSourceFile(path, text), declarations).map((violation) => violation.rule);
}

describe('a broken rule is reported with its sentence', () => {
  test.each([
    ['shared/contract imports nothing', 'shared/contract/src/row.ts', "import { z } from 'zod';"],
    ['shared/contract imports nothing', 'shared/contract/src/row.ts', "import type { Buffer } from 'node:buffer';"],
    ['shared/mapping, shared/codec', 'shared/codec/src/block.ts', "import { readFile } from 'node:fs/promises';"],
    ['shared/mapping, shared/codec', 'shared/codec/src/block.ts', "import pg from 'pg';"],
    ['shared/mapping, shared/codec', 'shared/mapping/src/rule.ts', "const net = await import('node:net');"],
    [
      'A service imports shared/* and',
      'services/sink-postgres/src/apply.ts',
      "import { x } from '@millrace/capture-postgres/connector.js';",
    ],
    ['A service imports shared/* and', 'services/cli/src/run.ts', "export { x } from '@millrace/sink-postgres/connector.js';"],
    ['A connector imports contract, ', 'services/sink-postgres/src/apply.ts', "import { x } from '@millrace/journal/reader.js';"],
    ["What an engine's connectors sh", 'shared/sink-runtime/src/loop.ts', "import { x } from '@millrace/postgres/connect.js';"],
    ['The runtimes never name a data', 'shared/sink-runtime/src/loop.ts', "const kind = 'postgres';"],
    ['The runtimes never name a data', 'shared/sink-runtime/src/loop.ts', 'function mysqlFlavour() {}'],
    [
      'The runtimes never name a data',
      'shared/sink-runtime/src/loop.ts',
      "import { x } from '@millrace/sink-postgres/connector.js';",
    ],
    ['shared/apply is what sinks sha', 'shared/sink-runtime/src/loop.ts', "import { x } from '@millrace/apply/change-log.js';"],
    ['Only shared/journal imports a ', 'shared/sink-runtime/src/loop.ts', "import { Kafka } from 'kafkajs';"],
    ['shared/testkit and testing/ fo', 'shared/sink-runtime/src/loop.ts', "import { x } from '@millrace/testkit/servers.js';"],
    ['shared/testkit and testing/ fo', 'shared/journal/src/topic.ts', "import { x } from './testing/memory-log.js';"],
    ['Another package is imported by', 'shared/sink-runtime/src/loop.ts', "import { x } from '../../codec/src/block.js';"],
    ["A package's package.json names", 'shared/journal/src/topic.ts', "import { x } from '@millrace/codec/block.js';"],
    [
      'No barrel files: a file that o',
      'shared/journal/src/all.ts',
      "export * from './topic.js';\nexport { y } from './reader.js';",
    ],
    ['No barrel files: a file that o', 'shared/journal/src/index.ts', 'export const x = 1;'],
    ['A file has at most 500 lines: ', 'shared/journal/src/topic.ts', 'export {};\n'.repeat(501)],
  ])('%s… in %s', (rule, path, text) => {
    expect(rulesBroken(path, text)).toContainEqual(expect.stringContaining(rule));
  });
});

describe('what the rules allow passes', () => {
  test.each([
    ['shared/contract/src/row.ts', "import type { TableId } from './table.js';"],
    ['shared/codec/src/block.ts', "import avro from 'avsc';\nimport type { Row } from '@millrace/contract/row.js';"],
    ['shared/journal/src/topic.ts', "import { Kafka } from 'kafkajs';\nimport { once } from 'node:events';"],
    ['deploy/local/src/kafka.ts', "import { Kafka } from 'kafkajs';"],
    ['shared/connectors/src/catalogue.ts', "export const load = () => import('@millrace/sink-postgres/connector.js');"],
    ['services/sink-postgres/src/apply.ts', "import pg from 'pg';\nimport type { Row } from '@millrace/contract/row.js';"],
    [
      'services/sink-postgres/src/apply.db.test.ts',
      "import { x } from '@millrace/testkit/servers.js';\nimport { test } from 'vitest';",
    ],
    ['shared/codec/src/framing.ts', "import { crc32 } from 'node:zlib';"],
    ['shared/codec/src/testing/arbitrary.ts', "import { expect } from 'vitest';"],
    ['shared/codec/src/golden.test.ts', "import { readFile } from 'node:fs/promises';"],
    ['shared/sink-runtime/src/loop.ts', '// PostgreSQL and MySQL differ here; the connector knows.\nexport const x = 1;'],
    ['shared/journal/src/topic.ts', 'export {};\n'.repeat(500)],
  ])('in %s', (path, text) => {
    expect(rulesBroken(path, text)).toEqual([]);
  });
});

test('a violation names file and line', () => {
  const [violation] = checkDependencies(
    parseSourceFile('shared/journal/src/topic.ts', "\nimport x from 'left-pad';"),
    declarations,
  );
  expect(violation).toMatchObject({ path: 'shared/journal/src/topic.ts', line: 2, found: "import of 'left-pad'" });
});
