/**
 * `npm run interleave`: every interleaving of two participants of the bus up to a number of preemptions, of the router killed at each of its steps
 * with its successor at once at work, and of a consumer killed at each of its steps with the next one taking its lane over. Ends with the first that
 * fails, and prints its schedule.
 *
 * Usage: npm run interleave -- [scene...] [--preemptions 3] [--killed 2] [--minutes 10] [--shard 1/1] [--state FILE]
 *   --preemptions  of the sets without a kill
 *   --killed       of the sets with one; 0 leaves them out
 *   --minutes      after which it stops between two parts
 *   --shard        i/n: every n-th part, for several machines or runs
 *   --state        finished parts are kept there, and not played again while the sources are the same
 *
 * Exit code: 0 all was played and held, 1 something failed, 2 time was up before.
 */
import { parseArgs } from 'node:util';
import { type BusSceneName, busScenes } from './support/busScenes.ts';
import {
  type Exhaustive,
  ExhaustiveStore,
  type ExploredSet,
  exploreSet,
  killedEverywhere,
} from './support/exhaustive.ts';

/** The scenes of two participants. */
const pairs: readonly BusSceneName[] = [
  'evict',
  'evictWrapped',
  'fence',
  'fenceBroadcast',
  'fenceLeaver',
  'fenceLeaverByView',
  'stalledLeaver',
  'fenceLeavingProducer',
  'publish',
  'join',
  'sleepRouter',
  'sleepConsumer',
];
/** Those in which the router may die while its peer goes on. */
const killed: readonly BusSceneName[] = ['evict', 'fence', 'fenceLeaver', 'fenceLeavingProducer'];

/** Those in which a consumer, who is the first, dies while the next one takes its lane over. */
const takenOver: readonly BusSceneName[] = ['takeOver', 'takeOverView', 'takeOverGivenUp'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    preemptions: { type: 'string', default: '3' },
    killed: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '10' },
    shard: { type: 'string', default: '1/1' },
    state: { type: 'string' },
  },
});
const unknown = positionals.filter((it) => !(it in busScenes));
const [index = 0, of = 0] = values.shard.split('/').map(Number);
const [preemptions, killedTo, minutes] = [values.preemptions, values.killed, values.minutes].map(Number);
if (
  unknown.length > 0 ||
  !(index >= 1 && index <= of) ||
  !(Number(preemptions) >= 0 && Number(killedTo) >= 0 && Number(minutes) > 0)
) {
  console.error(
    `usage: npm run interleave -- [${pairs.join('|')}...] [--preemptions N] [--killed N] [--minutes N] [--shard I/N]`,
  );
  process.exit(64);
}

const chosen = (names: readonly BusSceneName[]): readonly BusSceneName[] =>
  positionals.length === 0 ? names : names.filter((it) => positionals.includes(it));
const end = Date.now() + Number(minutes) * 60_000;
const store = new ExhaustiveStore(values.state);
const totals = { runs: 0, complete: true };

console.log('set                        preemptions   interleavings  parts      longest  seconds');
for (const scene of chosen(pairs)) await explore(scene, [{ scene, preemptions: Number(preemptions) }]);
if (Number(killedTo) > 0) {
  for (const scene of chosen(killed)) {
    await explore(`${scene}, router killed`, await killedEverywhere(scene, 0, Number(killedTo)));
  }
}
if (Number(killedTo) > 0) {
  for (const scene of chosen(takenOver)) {
    await explore(`${scene}, holder killed`, await killedEverywhere(scene, 0, Number(killedTo)));
  }
}
console.log(`${totals.runs} interleavings${totals.complete ? '' : ': time was up before all were played'}`);
process.exit(totals.complete ? 0 : 2);

async function explore(name: string, sets: readonly Exhaustive[]): Promise<void> {
  const from = Date.now();
  const sum = { runs: 0, parts: 0, partsDone: 0, longest: 0 };
  for (const set of sets) {
    const explored = await exploreSet(set, store, { index, of }, () => Date.now() > end);
    if (explored.failed !== undefined) fail(set, explored);
    sum.runs += explored.runs;
    sum.parts += explored.parts;
    sum.partsDone += explored.partsDone;
    sum.longest = Math.max(sum.longest, explored.longest);
  }
  totals.runs += sum.runs;
  totals.complete &&= sum.partsDone === sum.parts;
  const seconds = ((Date.now() - from) / 1000).toFixed(1);
  const parts = `${sum.partsDone}/${sum.parts}`;
  console.log(
    `${name.padEnd(26)} ${String(sets[0]?.preemptions).padStart(11)} ${String(sum.runs).padStart(15)}  ${parts.padEnd(11)} ${String(sum.longest).padStart(6)} ${seconds.padStart(8)}`,
  );
}

function fail(set: Exhaustive, { failed }: ExploredSet): never {
  console.log(`failed: ${JSON.stringify(set)}\nschedule: ${JSON.stringify(failed?.schedule)}`);
  for (const line of [...(failed?.violations ?? []), ...(failed?.errors ?? [])]) console.log(`  ${line}`);
  if ((failed?.stuck.length ?? 0) > 0) console.log(`  asleep for ever: ${failed?.stuck.join(', ')}`);
  process.exit(1);
}
