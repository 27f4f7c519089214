import { Header, LaneCursor, type Layout, ProducerCursor } from '../../../engines/indexbus/layout.ts';
import { seatPlace } from '../../../engines/indexbus/seatPlaces.ts';
import { FaultError } from '../../../faults/fault.ts';
import { nearestWord } from '../../../host/nearest.ts';

/** Words that a scenario may name, of the first seats. */
const words: Readonly<Record<string, (layout: Layout) => number>> = {
  'header checksum': () => Header.checksum,
  'header magic': () => Header.magic,
  'header version': () => Header.version,
  'source tail 0': (layout) => seatPlace(layout, 'producer', 0).cursors + ProducerCursor.sourceTail,
  'return head 0': (layout) => seatPlace(layout, 'producer', 0).cursors + ProducerCursor.returnHead,
  'source head 0': (layout) => seatPlace(layout, 'producer', 0).cursors + ProducerCursor.sourceHead,
  'lane head 0': (layout) => seatPlace(layout, 'consumer', 0).cursors + LaneCursor.head,
  'lane done 0': (layout) => seatPlace(layout, 'consumer', 0).cursors + LaneCursor.done,
  'lane tail 0': (layout) => seatPlace(layout, 'consumer', 0).cursors + LaneCursor.tail,
};

/** Number of a word of a segment by its name. Throws `FaultError` for a name that is none. */
export function wordNamed(layout: Layout, name: string): number {
  const word = words[name];
  if (word !== undefined) return word(layout);
  const nearest = nearestWord(name, Object.keys(words));
  const hint = nearest === undefined ? `expected one of ${Object.keys(words).join(', ')}` : `did you mean ${nearest}?`;
  throw new FaultError(`word ${name}: there is none of this name; ${hint}`);
}
