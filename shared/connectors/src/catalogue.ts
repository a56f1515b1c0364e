import type { CaptureSource } from '@millrace/contract/capture.js';
import type { SinkSettings, SourceSettings } from '@millrace/contract/endpoint.js';
import type { TableReader } from '@millrace/contract/reader.js';
import type { SinkWriter } from '@millrace/contract/sink.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/** One engine: the URL schemes that name it and its rooms' doors, loaded only when used. */
interface Connector {
  readonly schemes: readonly string[];
  readonly source?: (settings: SourceSettings) => Promise<CaptureSource>;
  readonly sink?: (settings: SinkSettings) => Promise<SinkWriter>;
  /** For comparing the two ends. */
  readonly reader?: (url: string, end: 'source' | 'target') => Promise<TableReader>;
}

/** Every connector that Millrace has. Adding one is adding a line here and its folder under services/. */
const CONNECTORS: readonly Connector[] = [
  {
    schemes: ['postgresql', 'postgres'],
    source: async (settings) => (await import('@millrace/capture-postgres/connector.js')).createPostgresSource(settings),
    sink: async (settings) => (await import('@millrace/sink-postgres/connector.js')).createPostgresSink(settings),
    reader: async (url, end) => (await import('@millrace/postgres/table-reader.js')).openPostgresReader(url, end),
  },
  {
    schemes: ['mysql', 'mariadb'],
    source: async (settings) => (await import('@millrace/capture-mysql/connector.js')).createMysqlSource(settings),
    sink: async (settings) => (await import('@millrace/sink-mysql/connector.js')).createMysqlSink(settings),
    reader: async (url, end) => (await import('@millrace/mysql/table-reader.js')).openMysqlReader(url, end),
  },
];

/** @throws MillraceError ENDPOINT_UNSUPPORTED where no connector reads from such a URL. */
export async function openSource(settings: SourceSettings): Promise<CaptureSource> {
  const open = connectorOf(settings.url, 'source').source;
  if (open === undefined) throw unsupported('source', settings.url);
  return open(settings);
}

/** @throws MillraceError ENDPOINT_UNSUPPORTED where no connector writes to such a URL. */
export async function openSink(settings: SinkSettings): Promise<SinkWriter> {
  const open = connectorOf(settings.url, 'target').sink;
  if (open === undefined) throw unsupported('target', settings.url);
  return open(settings);
}

/** @throws MillraceError ENDPOINT_UNSUPPORTED where no connector reads from such a URL. */
export async function openReader(url: string, end: 'source' | 'target'): Promise<TableReader> {
  const open = connectorOf(url, end).reader;
  if (open === undefined) throw unsupported(end, url);
  return open(url, end);
}

function connectorOf(url: string, end: 'source' | 'target'): Connector {
  const connector = CONNECTORS.find(({ schemes }) => schemes.includes(schemeOf(url)));
  if (connector === undefined) throw unsupported(end, url);
  return connector;
}

function schemeOf(url: string): string {
  return url.slice(0, Math.max(0, url.indexOf(':'))).toLowerCase();
}

/** Names the scheme alone: the rest of a URL may hold a password. */
function unsupported(end: 'source' | 'target', url: string): MillraceError {
  return new MillraceError('ENDPOINT_UNSUPPORTED', {
    end,
    scheme: schemeOf(url),
    known: CONNECTORS.flatMap(({ schemes }) => schemes).join(', '),
  });
}
