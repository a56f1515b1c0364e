import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const roots = ['shared/*/src/**', 'services/*/src/**', 'deploy/*/src/**'];
const files = (suffix: string): string[] => roots.map((root) => `${root}/*.${suffix}.ts`);

/** Packages resolve to their sources: tests need no build. */
const resolve = { conditions: ['source'] };
const ssr = { resolve: { conditions: ['source'] } };

const globalSetup = ['shared/testkit/src/global-setup.ts'];

/** Minutes of waiting for what was killed: begun last, they would be waited for alone. */
const LONGEST = ['chaos/chaos.e2e', 'chaos/crash-points.e2e'];

class LongestFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => LONGEST.some((name) => moduleId.includes(name));
    return (await super.sort(specifications)).sort((one, other) => Number(isLong(other)) - Number(isLong(one)));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'pure',
          sequence: { groupOrder: 0 },
          include: files('test'),
          exclude: [...files('db.test'), ...files('e2e.test')],
          testTimeout: 30_000,
        },
      },
      {
        resolve,
        ssr,
        // Each file shares the machine with the servers it uses: two at once are enough for two cores.
        test: {
          name: 'servers',
          sequence: { groupOrder: 1 },
          include: files('db.test'),
          globalSetup,
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'e2e',
          sequence: { groupOrder: 2 },
          include: files('e2e.test'),
          globalSetup,
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
