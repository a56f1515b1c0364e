/** Event types of the binary log (MySQL's binlog_event.h; from 160 on MariaDB's log_event.h). */
export const EVENT = {
  startV3: 1,
  query: 2,
  stop: 3,
  rotate: 4,
  intvar: 5,
  rand: 13,
  userVar: 14,
  formatDescription: 15,
  xid: 16,
  beginLoadQuery: 17,
  executeLoadQuery: 18,
  tableMap: 19,
  writeRowsV1: 23,
  updateRowsV1: 24,
  deleteRowsV1: 25,
  incident: 26,
  heartbeat: 27,
  ignorable: 28,
  rowsQuery: 29,
  writeRows: 30,
  updateRows: 31,
  deleteRows: 32,
  gtid: 33,
  anonymousGtid: 34,
  previousGtids: 35,
  transactionContext: 36,
  viewChange: 37,
  xaPrepare: 38,
  partialUpdateRows: 39,
  transactionPayload: 40,
  heartbeatV2: 41,
  gtidTagged: 42,
  mariadbAnnotateRows: 160,
  mariadbBinlogCheckpoint: 161,
  mariadbGtid: 162,
  mariadbGtidList: 163,
  mariadbStartEncryption: 164,
  mariadbQueryCompressed: 165,
  mariadbWriteRowsCompressedV1: 166,
  mariadbUpdateRowsCompressedV1: 167,
  mariadbDeleteRowsCompressedV1: 168,
  mariadbWriteRowsCompressed: 169,
  mariadbUpdateRowsCompressed: 170,
  mariadbDeleteRowsCompressed: 171,
} as const;

export const HEADER_BYTES = 19;
export const CHECKSUM_BYTES = 4;

/** Header flags (log_event.h). */
export const FLAG = { inUse: 0x01, artificial: 0x20, ignorable: 0x80 } as const;

export type RowKind = 'insert' | 'update' | 'delete';

/** What a rows event does, how its header looks and whether its rows are compressed; null: the event holds no rows. */
export function rowsEventOf(
  type: number,
): { readonly kind: RowKind; readonly version: 1 | 2; readonly compressed: boolean } | null {
  switch (type) {
    case EVENT.writeRowsV1:
      return { kind: 'insert', version: 1, compressed: false };
    case EVENT.updateRowsV1:
      return { kind: 'update', version: 1, compressed: false };
    case EVENT.deleteRowsV1:
      return { kind: 'delete', version: 1, compressed: false };
    case EVENT.writeRows:
      return { kind: 'insert', version: 2, compressed: false };
    case EVENT.updateRows:
      return { kind: 'update', version: 2, compressed: false };
    case EVENT.deleteRows:
      return { kind: 'delete', version: 2, compressed: false };
    case EVENT.mariadbWriteRowsCompressedV1:
      return { kind: 'insert', version: 1, compressed: true };
    case EVENT.mariadbUpdateRowsCompressedV1:
      return { kind: 'update', version: 1, compressed: true };
    case EVENT.mariadbDeleteRowsCompressedV1:
      return { kind: 'delete', version: 1, compressed: true };
    case EVENT.mariadbWriteRowsCompressed:
      return { kind: 'insert', version: 2, compressed: true };
    case EVENT.mariadbUpdateRowsCompressed:
      return { kind: 'update', version: 2, compressed: true };
    case EVENT.mariadbDeleteRowsCompressed:
      return { kind: 'delete', version: 2, compressed: true };
    default:
      return null;
  }
}

/** Column types as TABLE_MAP events name them (MySQL's field_types.h; 140 and 141 are MariaDB's). */
export const TYPE = {
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  null: 6,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  newDate: 14,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  blobCompressed: 140,
  varcharCompressed: 141,
  vector: 242,
  json: 245,
  newDecimal: 246,
  enum: 247,
  set: 248,
  tinyBlob: 249,
  mediumBlob: 250,
  longBlob: 251,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const;
