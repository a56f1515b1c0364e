import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const roots = ['shared/*/src/**', 'services/*/src/**', 'deploy/*/src/**'];
const files = (suffix: string): string[] => roots.map((root) => `${root}/*.${suffix}.ts`);

/** Packages resolve to their sources: tests need no build. */
const resolve = { conditions: ['source'] };
const ssr = { resolve: { conditions: ['source'] } };

const globalSetup = ['shared/testkit/src/global-setup.ts'];

/** The longest first, as they were measured: begun last, they would be waited for alone. */
const LONGEST = [
  'cli/stop.e2e',
  'chaos/outages.e2e',
  'chaos/crash-points.e2e',
  'chaos/chaos.e2e',
  'chaos/engines-chaos.e2e',
  'e2e/table-goes-away.e2e',
  'chaos/full-disks.e2e',
];

class LongestFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.includes(name));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(specifications)).sort((one, other) => rank(one) - rank(other));
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
        // About half of such a file's time is waiting, for what was killed or is silent: three at once keep two cores busy.
        test: {
          name: 'e2e',
          sequence: { groupOrder: 2 },
          include: files('e2e.test'),
          globalSetup,
          maxWorkers: 3,
          testTimeout: 300_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
