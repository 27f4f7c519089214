import { Gathered } from '../../../wire/gather.ts';

const LINE_FEED = 0x0a;

/** One line of a stream, without its line feed. `bytes` is undefined when it was longer than allowed. */
export interface Line {
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array | undefined;
}

/**
 * Splits a stream of bytes into lines, and yields those that are complete after each piece that arrives, at most
 * `maxLines` at once, so that a sender who waits for answers gets them. Empty lines are counted and left out. A line beyond
 * `maxLineBytes` is not kept in memory.
 */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
  maxLines: number,
): AsyncGenerator<readonly Line[]> {
  let number = 0;
  const begun = new Gathered();
  let begunBytes = 0;
  let lines: Line[] = [];

  function endLine(tail: Uint8Array): void {
    number++;
    const bytes = begunBytes + tail.length;
    if (bytes > maxLineBytes) lines.push({ number, bytes: undefined });
    else if (bytes > 0 && begun.length === 0) lines.push({ number, bytes: tail });
    else if (bytes > 0) {
      begun.append(tail);
      lines.push({ number, bytes: begun.take() });
    }
    begun.clear();
    begunBytes = 0;
  }

  for await (const piece of stream) {
    let begin = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, begin)) {
      endLine(withoutReturn(piece.subarray(begin, end)));
      begin = end + 1;
      if (lines.length < maxLines) continue;
      yield lines;
      lines = [];
    }
    const tail = piece.subarray(begin);
    begunBytes += tail.length;
    if (begunBytes > maxLineBytes) begun.clear();
    else if (tail.length > 0) begun.append(tail);
    if (lines.length > 0) yield lines;
    lines = [];
  }
  if (begunBytes > 0) endLine(new Uint8Array(0));
  if (lines.length > 0) yield lines;
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}
