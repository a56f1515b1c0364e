import fc from 'fast-check';
import { expect, test } from 'vitest';
import { captureNames } from './names.js';

test("names fit into PostgreSQL's 63 bytes and a slot's characters, whatever the task is called", () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }), fc.string(), (task, journal) => {
      const names = captureNames({ task, journal });
      expect(names.slot).toMatch(/^millrace_[a-z0-9_]{1,54}$/);
      expect(Buffer.byteLength(names.insertPublication)).toBeLessThanOrEqual(63);
      expect(Buffer.byteLength(`${names.applicationPrefix}catalog`)).toBeLessThanOrEqual(63);
    }),
  );
});

test('two tasks, or two journals of one, never share a slot', () => {
  const slots = ['orders', 'Orders', 'orders ', 'örders', 'o'.repeat(80), `${'o'.repeat(80)}2`].flatMap((task) =>
    ['a', 'b'].map((journal) => captureNames({ task, journal }).slot),
  );
  expect(new Set(slots).size).toBe(slots.length);
});

test('a plain task name is seen in its names', () => {
  expect(captureNames({ task: 'orders_to_dr', journal: 'j' }).publication).toBe('millrace_orders_to_dr');
});
