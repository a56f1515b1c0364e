import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSubjectOf, recordSubject, subjectOf } from './subject.js';

test('plain names stay as they are', () => {
  expect(subjectOf('shop.journal', { schema: 'public', table: 'order_lines' })).toBe('shop.journal-public.order_lines');
  expect(recordSubject('shop.journal', 'Block')).toBe('shop.journal-millrace.Block');
});

test('odd names are escaped so that no URL and no separator can be mistaken', () => {
  expect(subjectOf('t', { schema: 'a.b', table: 'Größe/~ %' })).toBe('t-a~2Eb.Gr~C3~B6~C3~9Fe~2F~7E~20~25');
  expect(subjectOf('t', { schema: '', table: '名' })).toBe('t-.~E5~90~8D');
});

test('no two tables share a subject, however long their names', () => {
  const name = fc.string({ unit: 'grapheme-composite', maxLength: 80 });
  fc.assert(
    fc.property(name, name, name, name, (schema, table, otherSchema, otherTable) => {
      const same = schema === otherSchema && table === otherTable;
      expect(subjectOf('t', { schema, table }) === subjectOf('t', { schema: otherSchema, table: otherTable })).toBe(same);
      expect(subjectOf('t', { schema, table })).toMatch(/^[A-Za-z0-9_.~-]{1,400}$/);
    }),
  );
  const long = 'é'.repeat(63);
  expect(subjectOf('t', { schema: long, table: long })).not.toBe(
    subjectOf('t', { schema: long, table: `${long.slice(0, 62)}è` }),
  );
});

test("a topic's subjects are told from those of another topic whose name begins alike", () => {
  const topic = 'shop.journal';
  expect(isSubjectOf(topic, subjectOf(topic, { schema: 'a.b-c', table: 'd-e.f' }))).toBe(true);
  expect(isSubjectOf(topic, recordSubject(topic, 'Block'))).toBe(true);
  expect(isSubjectOf(topic, subjectOf('shop.journal-2.journal', { schema: 'public', table: 'orders' }))).toBe(false);
  expect(isSubjectOf(topic, subjectOf('shop.journal2', { schema: 'public', table: 'orders' }))).toBe(false);
});
