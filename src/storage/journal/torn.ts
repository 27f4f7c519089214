import { makeDirectoryDurably } from '../atomicFile.ts';
import { type Context, closeQuietly, messageOf, readPatiently } from './context.ts';

/** Torn tails kept for those who look into an incident. */
const keptMax = 8;
const pageBytes = 4096;

/**
 * Copies what is about to be dropped into `torn/`, the last eight of them. Best effort: nothing acknowledged is in it, so
 * that failing to keep it holds nothing up.
 */
export async function keepTorn(
  context: Context,
  path: string,
  segment: string,
  from: number,
  to: number,
): Promise<void> {
  const { disk } = context.host;
  const directory = `${context.settings.directory}/torn`;
  try {
    await makeDirectoryDurably(disk, directory);
    const kept = (await disk.list(directory)).map(({ name }) => name).filter((name) => /^\d{8}-/.test(name));
    const number = kept.reduce((highest, name) => Math.max(highest, Number(name.slice(0, 8))), 0) + 1;
    const source = await disk.open(path, { mode: 'read' });
    try {
      const target = await disk.open(`${directory}/${String(number).padStart(8, '0')}-${segment}-${from}`, {
        mode: 'create',
      });
      try {
        for (let at = from; at < to; at += pageBytes) {
          const page = new Uint8Array(Math.min(pageBytes, to - at));
          // What cannot be read stays zeros in the copy.
          await readPatiently(context.host, source, at, page).catch(() => page.fill(0));
          await target.write(at - from, [page], { durable: false });
        }
      } finally {
        await closeQuietly(target);
      }
    } finally {
      await closeQuietly(source);
    }
    for (const name of kept.slice(0, Math.max(0, kept.length + 1 - keptMax))) await disk.remove(`${directory}/${name}`);
  } catch (error) {
    context.logger.warn('torn tail could not be kept', { segment, from, to, error: messageOf(error) });
  }
}
