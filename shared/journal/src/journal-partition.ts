/** A journal has one partition: the source's commit order. */
export const JOURNAL_PARTITION = 0;
