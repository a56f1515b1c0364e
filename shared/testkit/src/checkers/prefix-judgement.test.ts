import { fc, test as property } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';
import { isPrefix } from './prefix.js';
import { judgePrefix, type PrefixState, type Stretch } from './prefix-judgement.js';

/** The state after so many steps, taken one after the other as the workloads' procedures take them. */
function stateAfter(counter: number): PrefixState {
  const cells = Array.from({ length: 64 }, (_, cell) => ({ cell, times: 0, last: 0, whole: true }));
  let batches: { readonly n: number; readonly size: number }[] = [];
  for (let n = 1; n <= counter; n += 1) {
    for (const touched of [cells[n % 32], cells[32 + ((n * 7) % 32)]]) {
      if (touched === undefined) continue;
      touched.times += 1;
      touched.last = n;
    }
    if (n % 50 === 0) batches = [...batches.filter((batch) => batch.n > n - 1_000), { n, size: n % 500 === 0 ? 6_000 : 100 }];
  }
  return { counter, stretches: counter === 0 ? [] : [stretch(1, counter)], cells, batches };
}

function stretch(first: number, last: number, [a, b, c]: readonly [number, number, number] = [1, 1, 1]): Stretch {
  return { first, last, a, b, c };
}

property.prop([fc.integer({ min: 0, max: 3_000 })])('the state after any number of steps is a prefix', (counter) => {
  const reading = judgePrefix(stateAfter(counter));
  expect(reading).toEqual({ counter, lost: 0, duplicated: 0, torn: 0, differences: [] });
  expect(isPrefix(reading)).toBe(true);
});

property.prop([fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: -1, max: 1 })])(
  'the state of a step with the counter of its neighbour is none',
  (counter, off) => {
    const reading = judgePrefix({ ...stateAfter(counter), counter: counter + off });
    expect(isPrefix(reading)).toBe(off === 0);
  },
);

describe.each([
  ['a step of which nothing is there is lost', [stretch(1, 76), stretch(78, 120)], { lost: 1 }],
  ['so are several', [stretch(3, 50), stretch(101, 118)], { lost: 2 + 50 + 2 }],
  ['and all', [], { lost: 120 }],
  ['a row twice is a duplicate', [stretch(1, 76), stretch(77, 77, [1, 1, 2]), stretch(78, 120)], { duplicated: 1 }],
  ['a row missing is torn', [stretch(1, 118), stretch(119, 120, [1, 0, 1])], { torn: 2 }],
  ['steps past the counter are torn', [stretch(1, 122)], { torn: 2 }],
  ['and those before the first', [stretch(0, 120)], { torn: 1 }],
  ['also where all of a stretch is past it', [stretch(1, 120), stretch(125, 126)], { torn: 2 }],
] satisfies [string, Stretch[], object][])('of 120 steps', (claim, stretches, found) => {
  test(claim, () => {
    const { counter, lost, duplicated, torn } = judgePrefix({ ...stateAfter(120), stretches });
    expect({ counter, lost, duplicated, torn }).toEqual({ counter: 120, lost: 0, duplicated: 0, torn: 0, ...found });
  });
});
