import { isMap, valueAt, withoutValue, withValue } from './edit.ts';
import { lower, quantityOf } from './lower.ts';
import type { Search, Trial } from './search.ts';

/** So many more operations are no more: the order of answers shifts with every change. */
const slack = 1.02;

/** Less load: none at all, else every key gone or simpler, as long as the clients do not ask more by it. */
export async function shrinkLoad(search: Search): Promise<void> {
  if (await search.attempt(withoutValue(search.document, ['load']))) return;
  const load = search.document.load;
  for (const key of isMap(load) ? Object.keys(load) : []) await shrinkKey(search, key);
}

async function shrinkKey(search: Search, key: string): Promise<void> {
  const path = ['load', key];
  const value = valueAt(search.document, path);
  const quantity = quantityOf(value);
  const usual = quantityOf(search.stand?.loadDefaults[key]);
  // What the clients do more of by themselves is not simpler for not being written down.
  const wouldGrow =
    quantity !== undefined &&
    usual !== undefined &&
    // Of pauses (whose default may be a bare number of milliseconds) it is the shorter that make more.
    (quantity.kind === 'duration'
      ? usual.value < quantity.value
      : usual.kind !== 'duration' && usual.value > quantity.value);
  if (!wouldGrow && (await search.attempt(withoutValue(search.document, path), notMore))) return;
  if (quantity === undefined) return;
  const attempt = (next: number, acceptable: (trial: Trial, smallest: Trial) => boolean) =>
    search.attempt(withValue(search.document, path, quantity.write(next)), acceptable);
  if (quantity.kind !== 'duration') {
    await lower(quantity.value, (next) => attempt(next, notMore));
    return;
  }
  // Pauses: the longer, the fewer operations.
  for (const factor of [100, 10, 3]) if (await attempt(quantity.value * factor, fewer)) return;
}

function notMore(trial: Trial, smallest: Trial): boolean {
  return trial.size.operations <= smallest.size.operations * slack;
}

/** Fewer operations, and no longer wait for the end of a pause. */
function fewer(trial: Trial, smallest: Trial): boolean {
  return trial.size.operations < smallest.size.operations && trial.size.virtualMs <= smallest.size.virtualMs * slack;
}
