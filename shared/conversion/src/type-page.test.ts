import { expect, test } from 'vitest';
import { typePage } from './type-page.js';

test('docs/types.md is made from the tables of types (vitest -u writes it anew)', async () => {
  await expect(typePage()).toMatchFileSnapshot('../../../docs/types.md');
});
