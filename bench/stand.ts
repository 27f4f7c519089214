/**
 * What the stand costs: seeds a minute of chaos on one core, by CPU time, and where that time goes, by a profile of the CPU whose
 * samples are told apart by file. `node bench/stand.ts [--engine NAME] [--seeds N] [--seed FIRST] [--rounds N]`.
 */
import { Session } from 'node:inspector/promises';
import { parseArgs } from 'node:util';
import { createTaskPlayer } from '../src/chaos/playTask.ts';
import { cpuMeter, loadNote, spread } from './measure.ts';

const { values: flags } = parseArgs({
  options: {
    engine: { type: 'string', default: 'stemedb' },
    seeds: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
  },
});
const seeds = Math.max(1, Number(flags.seeds));
const firstSeed = Number(flags.seed);
const rounds = Math.max(1, Number(flags.rounds));
/** Seeds that are played before anything is counted: the code is compiled then. */
const warmSeeds = 5;
const samplingMicroseconds = 500;

/** Parts of the stand by the path of a source file, first match; what is no file of the project has its own parts below. */
const parts: readonly (readonly [part: string, path: RegExp])[] = [
  ['engine', /\/src\/(host|storage|wire|consensus|membership|engines|daemon)\//],
  ['simulator and faults', /\/src\/(sim|faults)\//],
  ['checkers', /\/src\/checkers\//],
  ['monitoring', /\/src\/scenario\/(promql|alerts)\/|\/src\/scenario\/(scraper|monitor|exposition|signals)\.ts/],
  [
    'evidence of the run',
    /\/src\/scenario\/stands\/[^/]+\/(\w*[eE]vidence|journalImage|journalFormat|stateSamples|watched|indexQuestions)\w*/,
  ],
  ['clients and scenario', /\/src\/scenario\//],
  ['draws and campaign', /\/src\/chaos\//],
];
const libraries = 'libraries';
const nodeItself = 'node and natives';
const collector = 'garbage collector';

interface Frame {
  readonly url: string;
  readonly functionName: string;
}

/** The part of a frame; undefined when it is none of the project's own files. */
function partOf({ url }: Frame): string | undefined {
  if (url.includes('/node_modules/')) return undefined;
  return parts.find(([, path]) => path.test(url))?.[0];
}

/** Where a frame's own time is counted. */
function selfPartOf(frame: Frame): string {
  const own = partOf(frame);
  if (own !== undefined) return own;
  if (frame.functionName === '(garbage collector)') return collector;
  return frame.url.includes('/node_modules/') ? libraries : nodeItself;
}

/** Milliseconds by part: in its own code, and with what it called of libraries and of Node. */
interface Shares {
  readonly self: Map<string, number>;
  readonly total: Map<string, number>;
}

async function profiled(work: () => Promise<void>): Promise<Shares> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: samplingMicroseconds });
  await session.post('Profiler.start');
  await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  );
  const shares: Shares = { self: new Map(), total: new Map() };
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const frame = nodes.get(id)?.callFrame;
    if (frame === undefined || frame.functionName === '(idle)') continue;
    const ms = (profile.timeDeltas?.[index] ?? 0) / 1_000;
    const self = selfPartOf(frame);
    shares.self.set(self, (shares.self.get(self) ?? 0) + ms);
    let responsible: string | undefined;
    for (let node: number | undefined = id; node !== undefined && responsible === undefined; node = parents.get(node)) {
      const ancestor = nodes.get(node)?.callFrame;
      if (ancestor !== undefined) responsible = partOf(ancestor);
    }
    const total = self === collector ? collector : (responsible ?? self);
    shares.total.set(total, (shares.total.get(total) ?? 0) + ms);
  }
  return shares;
}

const play = createTaskPlayer(new URL('../', import.meta.url).href);
let events = 0;
let virtualMs = 0;
async function playAll(count: number, from: number): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    const result = await play({ engine: flags.engine, run: String(seed), mutants: [], shrinkRunsMax: 0 });
    events += result.events;
    virtualMs += result.virtualMs;
  }
}

await playAll(warmSeeds, firstSeed);
const perMinute: number[] = [];
const each: number[] = [];
const shares: Shares[] = [];
let timesReal = 0;
let eventsPerSeed = 0;
for (let round = 0; round < rounds; round++) {
  [events, virtualMs] = [0, 0];
  const cpu = cpuMeter();
  await playAll(seeds, firstSeed);
  const ms = cpu() / 1_000;
  perMinute.push((seeds * 60_000) / ms);
  each.push(ms / seeds);
  timesReal = virtualMs / ms;
  eventsPerSeed = events / seeds;
  shares.push(await profiled(() => playAll(seeds, firstSeed)));
}

console.log(`${flags.engine}: ${seeds} seeds from ${firstSeed}, ${rounds} rounds, CPU time; ${loadNote()}`);
console.log(`  seeds a minute and core  ${spread(perMinute)}`);
console.log(`  CPU ms a seed            ${spread(each)}`);
console.log(
  `  a seed: ${Math.round(eventsPerSeed).toLocaleString('en')} events, ${(virtualMs / seeds / 1_000).toFixed(0)} s of virtual time, ${timesReal.toFixed(0)} times real time`,
);
console.log('  share of the CPU time, %       its own code                 with what it calls of libraries and Node');
const names = [...parts.map(([name]) => name), libraries, nodeItself, collector];
for (const name of names) {
  const percent = (which: keyof Shares) =>
    shares.map((share) => {
      const all = [...share[which].values()].reduce((sum, ms) => sum + ms, 0);
      return (100 * (share[which].get(name) ?? 0)) / all;
    });
  console.log(`    ${name.padEnd(22)} ${spread(percent('self'), 1).padEnd(30)} ${spread(percent('total'), 1)}`);
}
