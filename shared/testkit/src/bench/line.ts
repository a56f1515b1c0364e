import { type Cost, totalMicros } from './process-cost.js';

/** One run of Millrace or a peer: the figure that the line is about, and what it cost. */
export interface Sample {
  readonly value: number;
  /** CPU of all processes per row; null where the line is not about rows. */
  readonly cpuMicrosPerRow: number | null;
  /** Largest process; of Millrace's alone. */
  readonly peakRssMb: number | null;
}

/** A line of the table, as `.millrace/bench.json` (or `bench-mysql.json`) has it. */
export interface Line {
  readonly name: string;
  /** Median over the runs. */
  readonly value: number;
  readonly unit: string;
  readonly peer: string | null;
  readonly peerValue: number | null;
  readonly ratio: number | null;
  /** Empty where there is none. */
  readonly goal: string;
  /** Null without a goal. */
  readonly holds: boolean | null;
  readonly cpuMicrosPerRow: number | null;
  readonly peakRssMb: number | null;
  /** The figure of each run, in the order in which they were made. */
  readonly runs: readonly number[];
}

/** What a line must reach: of the value itself, or of its ratio to the peer's. */
export interface Goal {
  readonly of: 'value' | 'ratio';
  readonly is: 'at least' | 'at most';
  readonly bound: number;
}

export interface LineOptions {
  readonly name: string;
  readonly unit: string;
  readonly samples: readonly Sample[];
  readonly peer?: { readonly name: string; readonly samples: readonly Sample[] };
  /** Null: the figure is told, and nothing is asked of it. */
  readonly goal: Goal | null;
}

/** Sums up a line's runs: medians, and whether the goal holds. */
export function lineOf({ name, unit, samples, peer, goal }: LineOptions): Line {
  const value = median(samples.map((sample) => sample.value));
  const peerValue = peer === undefined ? null : median(peer.samples.map((sample) => sample.value));
  const ratio = peerValue === null ? null : value / peerValue;
  const costs = samples.flatMap(({ cpuMicrosPerRow }) => (cpuMicrosPerRow === null ? [] : [cpuMicrosPerRow]));
  const sizes = samples.flatMap(({ peakRssMb }) => (peakRssMb === null ? [] : [peakRssMb]));
  return {
    name,
    value,
    unit,
    peer: peer?.name ?? null,
    peerValue,
    ratio,
    goal: goal === null ? '' : goalText(goal, unit, peer?.name),
    holds: goal === null ? null : reached(goal, { value, ratio }),
    cpuMicrosPerRow: costs.length === 0 ? null : median(costs),
    peakRssMb: sizes.length === 0 ? null : median(sizes),
    runs: samples.map((sample) => sample.value),
  };
}

function reached({ of, is, bound }: Goal, { value, ratio }: { readonly value: number; readonly ratio: number | null }): boolean {
  const measured = of === 'value' ? value : (ratio ?? Number.NaN);
  return is === 'at least' ? measured >= bound : measured <= bound;
}

function goalText({ of, is, bound }: Goal, unit: string, peer: string | undefined): string {
  const sign = is === 'at least' ? '≥' : '≤';
  return of === 'ratio' ? `${sign} ${bound} × ${peer ?? 'peer'}` : `${sign} ${bound.toLocaleString('en-US')} ${unit}`;
}

/** The middle one; of an even number the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? Number.NaN : (upper + lower) / 2;
}

/** Value at a share of the sorted values, 0 to 1, by the nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** A run as rows per second. */
export function rate(cost: Cost, rows: number): Sample {
  return { value: rows / cost.seconds, cpuMicrosPerRow: totalMicros(cost.cpu) / rows, peakRssMb: cost.peakRssMb };
}

/** A run as CPU of all processes per row. */
export function cpuPerRow(cost: Cost, rows: number): Sample {
  const value = totalMicros(cost.cpu) / rows;
  return { value, cpuMicrosPerRow: value, peakRssMb: cost.peakRssMb };
}

/** A run as CPU per row of the programs alone: Millrace's processes without the servers. */
export function programCpuPerRow(cost: Cost, rows: number): Sample {
  return { value: cost.cpu.programs / rows, cpuMicrosPerRow: totalMicros(cost.cpu) / rows, peakRssMb: cost.peakRssMb };
}

/** Runs that are about one figure alone. */
export function plain(values: readonly number[], peakRssMb: number | null = null): readonly Sample[] {
  return values.map((value) => ({ value, cpuMicrosPerRow: null, peakRssMb }));
}
