import { fc, test } from '@fast-check/vitest';
import { expect } from 'vitest';
import { sinkName, sinkNamePrefix } from './sink-name.js';

const LARGEST = 9_223_372_036_854_775_807n;

test('a plain task is named as it is', () => {
  expect(sinkName('orders-to-dr', 7n, 'apply')).toBe('millrace:orders-to-dr:sink:7:apply');
});

test.prop([fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\w.~-]{0,40}$/))])(
  'a name is whole in PostgreSQL whatever the task is called',
  (task) => {
    expect(sinkName(task, LARGEST, 'inspect')).toMatch(/^[\x20-\x7e]{1,63}$/);
  },
);

test.prop([fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })])(
  'no task is found by the prefix of another',
  (one, other) => {
    fc.pre(one !== other);
    expect(sinkName(other, 1n, 'apply').startsWith(sinkNamePrefix(one))).toBe(false);
  },
);
