import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatStorageNote, parseStorageNote } from './storage-note.js';

const relationNote = fc.record({
  filenode: fc.nat(),
  writtenBy: fc.array(fc.oneof(fc.nat().map(String), fc.constant(null)), { maxLength: 30 }),
});
const note = fc.record({
  oid: fc.nat(),
  awaiting: fc.oneof(fc.constant(null), fc.string({ minLength: 1 })),
  membership: fc.array(fc.nat(), { maxLength: 2 }).map((oids) => oids.join()),
  relations: fc.array(fc.tuple(fc.nat(), relationNote), { maxLength: 5 }).map((entries) => new Map(entries)),
});

test('a note is read back as it was written', () => {
  fc.assert(
    fc.property(note, (written) => {
      expect(parseStorageNote(formatStorageNote(written))).toEqual(written);
    }),
  );
});

test('what is no note is none', () => {
  expect(parseStorageNote('')).toBeNull();
  expect(parseStorageNote('x|y')).toBeNull();
});
