import { CHANGE, type ChangeLog } from './change-log.js';
import type { ImageLayout } from './image-layout.js';
import { ImageMerger } from './image-merger.js';
import { IntList } from './int-list.js';
import { RowKeys } from './row-keys.js';
import { RowList } from './row-list.js';

/** Rows whose images carry the same columns. */
export interface UpdateSet {
  readonly present: readonly boolean[];
  readonly rows: RowList;
}

/**
 * What a table's changes come to, to be written in this order: truncate, deletes and the moves' old keys, updates, inserts and the
 * moves' new rows. No key is named twice in one of them.
 */
export interface NetChanges {
  readonly truncate: boolean;
  /** Images of which only the key counts: rows deleted, and rows that moved away whose new images are complete. */
  readonly deletes: RowList;
  readonly updates: readonly UpdateSet[];
  readonly inserts: RowList;
  /** Rows that moved to another key and whose new images lack values that only the deleted row has; the same index belongs together. */
  readonly moves: { readonly from: RowList; readonly to: RowList };
  /** A row moved from one key to another: as a delete and an insert, here or in `moves`. */
  readonly movesRows: boolean;
}

const NONE = -1;

/**
 * Collapses changes of one keyed table (indexes into the log, ascending) to their net effect (Protocol, "Net change").
 *
 * Returns undefined where the changes contradict each other (an insert of a key that is there, an update of a row that is gone):
 * only applying them one by one can judge that.
 */
export function netChanges(log: ChangeLog, layout: ImageLayout, changes: IntList): NetChanges | undefined {
  const collapse = new Collapse(log, layout);
  for (let index = 0; index < changes.length; index++) {
    if (!collapse.take(changes.at(index))) return undefined;
  }
  return collapse.result();
}

/** Every key that was touched has an entry; arrays by entry. */
class Collapse {
  private readonly keys: RowKeys;
  private readonly entries = new Map<number | string, number>();
  /** 1 while a row lies at the key. */
  private readonly live = new IntList();
  /** Entry of the key that the row at this key had before the group; NONE: it was inserted in the group. */
  private readonly origin = new IntList();
  /** The change with the row's newest image; NONE: none. */
  private readonly newest = new IntList();
  /** 1 once the row that had this key before the group is deleted. */
  private readonly gone = new IntList();
  /** Where the key can be read: a change, and 1 for its new image, 0 for its old one. */
  private readonly keyChange = new IntList();
  private readonly keySide = new IntList();
  /** The change with the next older image of the same row, by change. */
  private readonly older = new Map<number, number>();
  private truncated = false;

  constructor(
    private readonly log: ChangeLog,
    private readonly layout: ImageLayout,
  ) {
    this.keys = new RowKeys(layout);
  }

  /** False: the change does not fit what came before it. */
  take(change: number): boolean {
    switch (this.log.kinds.at(change)) {
      case CHANGE.insert:
        return this.insert(change);
      case CHANGE.update:
        return this.update(change);
      case CHANGE.delete:
        return this.delete(change);
      default:
        return this.truncate();
    }
  }

  private insert(change: number): boolean {
    const key = this.newKey(change);
    if (key === undefined) return false;
    const entry = this.entries.get(key) ?? this.newEntry(key, change, 1);
    if (this.live.at(entry) === 1) return false;
    this.put(entry, NONE, change);
    return true;
  }

  private update(change: number): boolean {
    const newKey = this.newKey(change);
    const oldKey = this.log.beforeStarts.at(change) < 0 ? newKey : this.oldKey(change);
    if (oldKey === undefined) return false;
    const entry = this.rowAt(oldKey, change, oldKey === newKey ? 1 : 0);
    if (entry === undefined) return false;
    // A key column that the new image leaves unchanged is one whose value did not change.
    const target =
      newKey === undefined || newKey === oldKey ? entry : (this.entries.get(newKey) ?? this.newEntry(newKey, change, 1));
    const below = this.newest.at(entry);
    if (below !== NONE) this.older.set(change, below);
    const origin = this.origin.at(entry);
    if (target !== entry) {
      if (this.live.at(target) === 1) return false;
      this.live.set(entry, 0);
    }
    this.put(target, origin, change);
    return true;
  }

  private delete(change: number): boolean {
    const key = this.oldKey(change);
    if (key === undefined) return false;
    const entry = this.rowAt(key, change, 0);
    if (entry === undefined) return false;
    const origin = this.origin.at(entry);
    this.live.set(entry, 0);
    if (origin !== NONE) this.gone.set(origin, 1);
    return true;
  }

  private truncate(): boolean {
    this.entries.clear();
    for (const list of [this.live, this.origin, this.newest, this.gone, this.keyChange, this.keySide]) list.clear();
    this.older.clear();
    this.truncated = true;
    return true;
  }

  private oldKey(change: number): number | string | undefined {
    const { log } = this;
    return this.keys.of(log.buffer(log.sources.at(change)), log.beforeStarts.at(change), log.beforeEnds.at(change));
  }

  /** Undefined where a key column is unchanged. */
  private newKey(change: number): number | string | undefined {
    const { log } = this;
    return this.keys.of(log.buffer(log.sources.at(change)), log.afterStarts.at(change), log.afterEnds.at(change));
  }

  /** Entry of the key with a row at it; a key not seen yet had its row before the group, unless the table was truncated. */
  private rowAt(key: number | string, change: number, side: 0 | 1): number | undefined {
    const entry = this.entries.get(key);
    if (entry !== undefined) return this.live.at(entry) === 1 ? entry : undefined;
    if (this.truncated) return undefined;
    const added = this.newEntry(key, change, side);
    this.put(added, added, NONE);
    return added;
  }

  private newEntry(key: number | string, change: number, side: 0 | 1): number {
    const entry = this.live.length;
    this.entries.set(key, entry);
    this.live.push(0);
    this.origin.push(NONE);
    this.newest.push(NONE);
    this.gone.push(0);
    this.keyChange.push(change);
    this.keySide.push(side);
    return entry;
  }

  private put(entry: number, origin: number, change: number): void {
    this.live.set(entry, 1);
    this.origin.set(entry, origin);
    this.newest.set(entry, change);
  }

  result(): NetChanges | undefined {
    const deletes = new RowList();
    const updates = new Map<string, UpdateSet>();
    const inserts = new RowList();
    const moves = { from: new RowList(), to: new RowList() };
    const image = new ImageMerger(this.log, this.layout);
    let movesRows = false;
    for (let entry = 0; entry < this.live.length; entry++) {
      if (this.gone.at(entry) === 1) this.pushKey(deletes, entry);
      if (this.live.at(entry) === 0) continue;
      const origin = this.origin.at(entry);
      const stays = origin === entry;
      movesRows ||= origin !== NONE && !stays;
      const missing = this.resolve(image, this.newest.at(entry), stays);
      if (origin === NONE) {
        if (missing > 0) return undefined;
        inserts.push(image.buffer, image.start, image.end);
      } else if (stays) {
        updateSetOf(updates, image, missing).push(image.buffer, image.start, image.end);
      } else if (missing > 0) {
        this.pushKey(moves.from, origin);
        moves.to.push(image.buffer, image.start, image.end);
      } else {
        this.pushKey(deletes, origin);
        inserts.push(image.buffer, image.start, image.end);
      }
    }
    return { truncate: this.truncated, deletes, updates: [...updates.values()], inserts, moves, movesRows };
  }

  /** Where a row stays in its place, only its key is taken from the old image: values that are there need not be written again. */
  private resolve(image: ImageMerger, newest: number, stays: boolean): number {
    const { log } = this;
    let wanted = image.begin(log.sources.at(newest), log.afterStarts.at(newest), log.afterEnds.at(newest));
    let change = newest;
    while (wanted) {
      const older = this.older.get(change);
      if (older === undefined) break;
      change = older;
      wanted = image.older(log.sources.at(change), log.afterStarts.at(change), log.afterEnds.at(change), 'all');
    }
    if (wanted && log.beforeStarts.at(change) >= 0) {
      image.older(log.sources.at(change), log.beforeStarts.at(change), log.beforeEnds.at(change), stays ? 'key' : 'all');
    }
    return image.finish();
  }

  private pushKey(list: RowList, entry: number): void {
    const { log } = this;
    const change = this.keyChange.at(entry);
    const isNew = this.keySide.at(entry) === 1;
    const starts = isNew ? log.afterStarts : log.beforeStarts;
    const ends = isNew ? log.afterEnds : log.beforeEnds;
    list.push(log.sources.at(change), starts.at(change), ends.at(change));
  }
}

function updateSetOf(sets: Map<string, UpdateSet>, image: ImageMerger, missing: number): RowList {
  const present = missing === 0 ? undefined : image.present();
  const name = present === undefined ? '' : present.map((carried) => (carried ? '1' : '0')).join('');
  let set = sets.get(name);
  if (set === undefined) {
    set = { present: present ?? image.present(), rows: new RowList() };
    sets.set(name, set);
  }
  return set.rows;
}
