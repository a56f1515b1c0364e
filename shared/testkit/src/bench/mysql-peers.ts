import { withConnection } from '@millrace/local/mysql.js';
import { pipe } from './full-load.js';
import { startReading } from './mysql-capture-run.js';
import type { MysqlBenchServers } from './mysql-servers.js';
import type { MysqlBacklog } from './mysql-workload.js';
import { type Cost, CostMeter } from './process-cost.js';

/** MariaDB's own replication with one applier thread, its default, drains the backlog into the target: until the sentinel can be read there. */
export async function runMariadbReplication(servers: MysqlBenchServers, { begin }: MysqlBacklog): Promise<Cost> {
  const { source, target } = servers;
  return withConnection(target.url, async (connection) => {
    await connection.query(
      `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${source.port}, MASTER_USER = 'root', MASTER_USE_GTID = no,
         MASTER_LOG_FILE = '${begin.file}', MASTER_LOG_POS = ${begin.offset}`,
    );
    try {
      await startReading(servers, () => connection.query('START SLAVE'));
      const meter = await CostMeter.start(servers.pids);
      await target.sentinelArrived();
      return await meter.finish();
    } finally {
      await connection.query('STOP SLAVE');
      await connection.query('RESET SLAVE ALL');
    }
  });
}

/** `mariadb-dump | mariadb` copies the events table with its key. */
export async function dumpIntoMariadb({ source, target, pids }: MysqlBenchServers): Promise<Cost> {
  const meter = await CostMeter.start(pids);
  const at = (url: string): readonly string[] => [
    '--no-defaults',
    '--host=127.0.0.1',
    `--port=${new URL(url).port}`,
    '--user=root',
  ];
  await pipe(['mariadb-dump', ...at(source.url), '--single-transaction', '--databases', 'bench'], ['mariadb', ...at(target.url)]);
  return meter.finish();
}
