import { expect, test } from 'vitest';
import { inOrder } from './foreign-keys.js';

test('#50 tables are ordered parents first; rings come in any order', () => {
  expect(
    inOrder(
      [1, 2, 3],
      [
        { child: 1, parent: 2 },
        { child: 2, parent: 3 },
      ],
    ),
  ).toEqual([3, 2, 1]);
  expect(
    new Set(
      inOrder(
        [1, 2],
        [
          { child: 1, parent: 2 },
          { child: 2, parent: 1 },
        ],
      ),
    ),
  ).toEqual(new Set([1, 2]));
});
