import { tableKey } from '@millrace/codec/table-key.js';
import { expect, test } from 'vitest';
import { RunProgress } from './progress.js';
import { screenLines } from './screen.js';

const config = { name: 'shop', source: 'postgresql://me:secret-word@a:5432/shop?sslmode=require', target: 'postgresql://b/shop' };
const id = { schema: 'public', table: 'orders' };

function loading(tables: number): RunProgress {
  const progress = new RunProgress();
  progress.take('capture', { kind: 'capture', status: { kind: 'began', table: id, estimatedRows: 10_000 } });
  progress.take('sink', { kind: 'sink', status: { kind: 'table', table: id, state: 'full load' } });
  progress.take('sink', { kind: 'sink', status: { kind: 'chunk', table: id, rows: 4_000 } });
  for (let index = 1; index < tables; index += 1) {
    progress.take('sink', {
      kind: 'sink',
      status: { kind: 'table', table: { schema: 'public', table: `t${index}` }, state: 'before load' },
    });
  }
  return progress;
}

test('a table that is being loaded shows rows, estimate, rate and time left; no password shows', () => {
  const rates = { changes: [], loading: new Map([[tableKey(id), 2_000]]) };
  const text = screenLines(config, loading(1), { rates, width: 200, height: 40, nowMs: performance.now() }).join('\n');
  expect(text).toMatch(/public\.orders +full load +4,000 of about 10,000 rows +2,000 rows\/s +3\.0 s left/);
  expect(text).toContain('postgresql://a:5432/shop → postgresql://b/shop');
  expect(text).not.toContain('secret-word');
});

test('the screen is never higher or wider than the terminal', () => {
  const rates = { changes: [], loading: new Map<string, number>() };
  const lines = screenLines(config, loading(500), { rates, width: 60, height: 24, nowMs: performance.now() });
  expect(lines.length).toBeLessThan(24);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  expect(lines.join('\n')).toMatch(/… 48\d more/);
});
