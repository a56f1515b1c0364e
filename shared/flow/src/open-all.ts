/**
 * Opens several things at once, which is as slow as the slowest of them. Where one fails, those that did open are closed again before its
 * error is thrown.
 */
export async function openAll<const T extends readonly Promise<AsyncDisposable>[]>(
  opening: T,
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  try {
    return await Promise.all(opening);
  } catch (error) {
    for (const each of await Promise.allSettled(opening))
      if (each.status === 'fulfilled') await each.value[Symbol.asyncDispose]();
    throw error;
  }
}
