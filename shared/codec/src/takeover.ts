import { ByteWriter } from './byte-writer.js';
import { openChecksummedFrame, sealChecksum, startChecksummedFrame } from './framing.js';

/** A new incarnation of the capture claims the journal. */
export interface Takeover {
  readonly journal: string;
  /** The log's end when the claim was made. */
  readonly epoch: bigint;
  /** Tells the own claim from another one. */
  readonly nonce: string;
}

export function encodeTakeover(takeover: Takeover, takeoverSchemaId: number): Uint8Array {
  const out = new ByteWriter(256);
  startChecksummedFrame(out, takeoverSchemaId);
  out.text(takeover.journal);
  out.long(takeover.epoch);
  out.text(takeover.nonce);
  const framed = out.toBytes();
  sealChecksum(framed);
  return framed;
}

/** @throws MillraceError JOURNAL_CORRUPT */
export function decodeTakeover(framed: Uint8Array, where: string): Takeover {
  const reader = openChecksummedFrame(framed, where);
  const takeover = { journal: reader.text(), epoch: reader.bigint(), nonce: reader.text() };
  reader.expectEnd();
  return takeover;
}
