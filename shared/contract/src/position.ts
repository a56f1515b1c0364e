/**
 * A place in a source's log. The key is opaque outside its connector, but by contract keys of one
 * source order bytewise, so runtimes can compare positions without knowing the engine
 * (PostgreSQL: the commit's END LSN as 8 big-endian bytes). Timelines share the log up to their fork, and nothing of a task lies
 * beyond one. Positions of different sources do not compare: `comparePositions` in codec throws.
 */
export interface Position {
  /** Identity of the source's history, e.g. PostgreSQL's system identifier with the database's oid. */
  readonly source: string;
  /** PostgreSQL's timeline id; 0 where an engine has none. */
  readonly timeline: number;
  /** Lower-case hexadecimal of the key's bytes: comparing these texts is comparing the bytes. */
  readonly key: string;
}

/** What a target remembers of a journal: everything needed to go on reading it without a gap or a repeat. */
export interface Checkpoint {
  /** Random id of the journal topic; a topic made anew has another and is refused. */
  readonly journal: string;
  /** Offset of the Takeover whose incarnation wrote the last block applied; a higher one fences a lower one. */
  readonly epoch: bigint;
  /** Sequence number, within that epoch, of the last block applied whole; -1 directly after a Takeover. */
  readonly seq: bigint;
  /** Journal offset at which the next read starts. */
  readonly nextOffset: bigint;
  /** Position of the last Commit or Progress applied; null before the first one. */
  readonly position: Position | null;
}
