import type { Clock } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import type { Context } from '../../host/tracing.ts';
import { parseAssertion } from './assertionInput.ts';
import { type Prepared, prepareAssertion } from './content.ts';
import { StemeError } from './errors.ts';
import type { AssertionInput } from './model.ts';
import { atomicRefusal, type WriteResult, type Writer } from './write.ts';

/**
 * Claims of a batch that are prepared and appended in one turn of the event loop. Between two turns others are served, and
 * the disk writes what was appended while the next are prepared; preparing 128 takes about a millisecond.
 */
const CLAIMS_PER_TURN = 128;
const CLAIMS_PER_TURN_BUGGIFIED = 2;

/**
 * Writes the claims of a batch, each for itself: the results in the order of the claims. A claim may refer to one before it.
 *
 * @throws StemeError when none is written because of the state of the node or the rate
 */
export async function writeEach(
  inputs: readonly AssertionInput[],
  writer: Writer,
  { clock, telemetry }: Host,
  trace?: Context,
): Promise<WriteResult[]> {
  const parts: Promise<WriteResult[]>[] = [];
  let refusal: StemeError | undefined;
  let isAnyTaken = false;
  const perTurn = telemetry.buggify('short-turns') ? CLAIMS_PER_TURN_BUGGIFIED : CLAIMS_PER_TURN;
  for (let from = 0; from < inputs.length; from += perTurn) {
    if (from > 0) await nextTurn(clock);
    const parsed = inputs.slice(from, from + perTurn).map(prepareOrRefuse);
    const good = parsed.filter((item): item is Prepared => !(item instanceof StemeError));
    try {
      // Placed before the next part is looked at: that may refer to this one.
      const placing = good.length === 0 ? undefined : await writer.begin(good, false, trace);
      isAnyTaken ||= placing !== undefined;
      parts.push(placing === undefined ? Promise.resolve(inPlace(parsed, [])) : settled(parsed, placing.settle()));
    } catch (error) {
      if (!(error instanceof StemeError)) throw error;
      refusal ??= error;
      parts.push(
        Promise.resolve(
          inPlace(
            parsed,
            good.map(() => error),
          ),
        ),
      );
    }
  }
  if (refusal !== undefined && !isAnyTaken) throw refusal;
  return (await Promise.all(parts)).flat();
}

/**
 * Writes the claims of a batch, all of them or none: they lie in one append of the log, so they are prepared in one turn.
 *
 * @throws StemeError when none is written; in doubt as soon as one of them is
 */
export async function writeAll(
  inputs: readonly AssertionInput[],
  writer: Writer,
  trace?: Context,
): Promise<WriteResult[]> {
  const parsed = inputs.map(prepareOrRefuse);
  const firstBad = parsed.findIndex((item) => item instanceof StemeError);
  const bad = parsed[firstBad];
  if (bad instanceof StemeError) throw atomicRefusal(bad, firstBad);
  const good = parsed.filter((item): item is Prepared => !(item instanceof StemeError));
  const written = good.length === 0 ? [] : await writer.write(good, true, trace);
  const failures = written.filter((result) => result instanceof StemeError);
  const failure = failures.find((error) => error.outcome === 'indeterminate') ?? failures[0];
  if (failure !== undefined) throw failure;
  return written;
}

function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.timer(0, resolve));
}

function prepareOrRefuse(input: AssertionInput): Prepared | StemeError {
  try {
    return prepareAssertion(parseAssertion(input));
  } catch (error) {
    if (error instanceof StemeError) return error;
    throw error;
  }
}

/** The results of a part when they are there. An error is looked at only then, so it must not count as unhandled before. */
function settled(parsed: readonly (Prepared | StemeError)[], written: Promise<WriteResult[]>): Promise<WriteResult[]> {
  const results = written.then((found) => inPlace(parsed, found));
  results.catch(() => undefined);
  return results;
}

/** Puts the results of the records that were written into the places of their inputs. */
function inPlace(parsed: readonly (Prepared | StemeError)[], written: readonly WriteResult[]): WriteResult[] {
  let next = 0;
  return parsed.map((item) => {
    if (item instanceof StemeError) return item;
    const result = written[next++];
    if (result === undefined) throw new Error(`a batch of ${parsed.length} had ${written.length} results`);
    return result;
  });
}
