/** Load ids are `<epoch>.<n>`: the epoch of the capture that named the load, and a number that grows within it. */
export function isLaterLoad(one: string, other: string): boolean {
  const byEpoch = epochOf(one) - epochOf(other);
  return byEpoch > 0n || (byEpoch === 0n && numberIn(one) > numberIn(other));
}

export function epochOf(load: string): bigint {
  return BigInt(load.split('.')[0] ?? '0');
}

function numberIn(load: string): bigint {
  return BigInt(load.split('.')[1] ?? '0');
}
