import { waitUntil, withConnection } from '@millrace/testkit/servers.js';
import { TcpProxy } from '@millrace/testkit/tcp-proxy.js';
import { describe, expect, test } from 'vitest';
import { ENGINES, SinkFixture } from './testing/sink-fixture.js';
import { column } from './testing/table-schemas.js';

const id = column('id', 'int', { nullable: false });
const note = column('note', 'varchar(20)');

describe.each(ENGINES)('a target of %s that goes away', (engine) => {
  test('while the answer to COMMIT is on its way: the checkpoint tells, and the group is in once', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, note], ['id']);
    await fixture.create(version);
    const { proxy, url } = await TcpProxy.inFrontOf(fixture.database.url);
    await using _ = proxy;
    await fixture.connect(url);
    await fixture.apply([{ kind: 'insert', table: version, after: [0, 'first'] }]);
    for (let key = 1; key <= 3; key++) {
      proxy.latency(60);
      const applying = fixture.apply([{ kind: 'insert', table: version, after: [key, 'x'] }]);
      await waitUntil(async () => (await fixture.rows(`SELECT id FROM t WHERE id = ${key}`)).length > 0, {
        what: 'the row to be committed',
        deadlineMs: 20_000,
        everyMs: 2,
      });
      proxy.reset();
      proxy.heal();
      expect(await applying).toMatchObject({ errors: 0 });
    }
    expect(await fixture.rows('SELECT id FROM t ORDER BY id')).toEqual([[0], [1], [2], [3]]);
    const state = await fixture.sink.inspect();
    expect(state.checkpoint).toEqual(fixture.script.checkpoint);
    expect(state.tables[0]?.counts.inserts).toBe(4n);
  });

  test('disposing ends a call that waits for the server, within seconds', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, note], ['id']);
    await fixture.create(version);
    await fixture.apply([{ kind: 'insert', table: version, after: [1, 'a'] }]);
    await withConnection(fixture.database.url, async (blocker) => {
      await blocker.query('START TRANSACTION');
      await blocker.query('SELECT * FROM t WHERE id = 1 FOR UPDATE');
      const applying = fixture
        .apply([{ kind: 'update', table: version, before: [1, 'a'], after: [1, 'b'] }])
        .catch((error: unknown) => error);
      await waitUntil(
        async () =>
          (await fixture.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE%`t`%'")).length > 0,
        { what: 'the group to wait for the lock', deadlineMs: 20_000 },
      );
      const began = performance.now();
      await fixture.sink[Symbol.asyncDispose]();
      expect(await applying).toBeInstanceOf(Error);
      expect(performance.now() - began).toBeLessThan(8_000);
      await blocker.query('ROLLBACK');
    });
    await fixture.connect();
    expect(await fixture.rows('SELECT note FROM t')).toEqual([['a']]);
  });
});
