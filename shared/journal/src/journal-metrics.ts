/** What the journal tells whoever counts; every method must be cheap and not throw. */
export interface JournalMetrics {
  /** Records that Kafka holds durably; bytes before compression. */
  sent(topic: string, records: number, bytes: number): void;
  /** Records read; bytes after decompression; `lag`: how many more the partition held at that moment. */
  received(topic: string, records: number, bytes: number, lag: bigint): void;
}

export const NO_METRICS: JournalMetrics = { sent: () => undefined, received: () => undefined };
