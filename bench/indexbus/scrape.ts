/** What a scrape costs the router that answers it: its time, and how long the loop's polls are apart while scrapes come and while none does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { openBus, openSegment } from '../../src/engines/indexbus/index.ts';
import { Header } from '../../src/engines/indexbus/layout.ts';
import { messageWords } from './message.ts';
import { benchHost } from './stage.ts';

/** What the scraping thread is told and tells. */
const Word = { wanted: 0, done: 1, microseconds: 2 } as const;
const scrapesMost = 4096;

export interface ScrapeCosts {
  /** Of each scrape, from the request to its last byte, in milliseconds. */
  readonly scrapes: readonly number[];
  /** Processor time of the daemon's main thread, in milliseconds a scrape. */
  readonly cpu: number;
  /** Longest time between two polls, by pairs of windows: with a scrape, without; in microseconds. */
  readonly gaps: readonly (readonly [number, number])[];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('a server without a port');
  return address.port;
}

/** A daemon whose loop never sleeps, four lanes and four producers with something in each, and windows of 20 ms with one scrape and with none. */
export async function scrapeCosts(directory: string, windows: number): Promise<ScrapeCosts> {
  const port = await freePort();
  const config = join(directory, 'scrape.yaml');
  const text = `admin: { listen: "127.0.0.1:${port}" }
segment: { name: scrape, directory: ${directory} }
router_poll_interval_us: 0
subscriptions: [{ name: all, topics: [">"] }]
`;
  writeFileSync(config, text);
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const daemon = spawn(process.execPath, [main, 'serve', 'indexbus', '--config', config], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}/metrics`;
  const memory = new Int32Array(new SharedArrayBuffer((Word.microseconds + scrapesMost) * 4));
  const scraper = new Worker(new URL(import.meta.url), { workerData: { url, memory } });
  try {
    for (let tries = 0; ; tries += 1) {
      const answered = await fetch(url).then(
        (it) => it.ok,
        () => false,
      );
      if (answered) break;
      if (tries > 300) throw new Error('the daemon does not answer');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const host = benchHost(directory);
    const bus = await openBus({ host, segment: 'scrape', attachTimeoutMs: 30_000 });
    const topic = await bus.topic('there');
    for (let index = 0; index < 4; index += 1) await bus.consumer({ subscription: 'all' });
    const words = new Int32Array(messageWords);
    for (let index = 0; index < 4; index += 1) {
      const producer = await bus.producer();
      for (let message = 0; message < 64; message += 1) producer.publishWords(topic, words, 0, messageWords);
      producer.flush();
    }
    const segment = await openSegment({ shm: host.shm, name: 'scrape' });
    const scrapeOnce = (): void => {
      Atomics.add(memory, Word.wanted, 1);
      Atomics.notify(memory, Word.wanted);
    };
    const gaps: [number, number][] = [];
    // The kernel's account of the main thread, in nanoseconds; the loop has a thread of its own.
    const spent = (): number =>
      Number(readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
    let before = 0;
    for (let window = -20; window < windows; window += 1) {
      if (window === 0) before = spent();
      const pair: [number, number] = [0, 0];
      for (const turn of window % 2 === 0 ? [0, 1] : [1, 0]) {
        if (turn === 0) scrapeOnce();
        pair[turn] = longestGap(segment.words, 20);
        // What is late ends here, and not in the next window.
        while (Atomics.load(memory, Word.done) !== Atomics.load(memory, Word.wanted)) await new Promise(setImmediate);
      }
      if (window >= 0) gaps.push(pair);
    }
    const cpu = (spent() - before) / windows;
    const count = Math.min(windows, scrapesMost);
    const scrapes = Array.from({ length: count }, (_, index) => (memory[Word.microseconds + 20 + index] ?? 0) / 1000);
    return { scrapes, cpu, gaps };
  } finally {
    await scraper.terminate();
    daemon.kill('SIGTERM');
    await once(daemon, 'exit');
  }
}

/** Longest time for which the count of polls stood still, in microseconds; this thread's own pauses are in it. */
function longestGap(words: Int32Array, ms: number): number {
  const until = performance.now() + ms;
  let longest = 0;
  let since = performance.now();
  let seen = Atomics.load(words, Header.loops);
  for (;;) {
    const now = performance.now();
    const loops = Atomics.load(words, Header.loops);
    if (loops !== seen) {
      longest = Math.max(longest, now - since);
      since = now;
      seen = loops;
    }
    if (now >= until) return longest * 1000;
  }
}

/** The scraping thread. */
async function scrapeOnDemand(url: string, memory: Int32Array): Promise<void> {
  for (let made = 0; ; ) {
    Atomics.wait(memory, Word.wanted, made);
    const began = performance.now();
    const answer = await fetch(url);
    await answer.arrayBuffer();
    if (made < scrapesMost) memory[Word.microseconds + made] = Math.round((performance.now() - began) * 1000);
    made += 1;
    Atomics.store(memory, Word.done, made);
  }
}

if (!isMainThread) {
  // What `scrapeCosts` hands over.
  const { url, memory } = workerData as { url: string; memory: Int32Array };
  await scrapeOnDemand(url, memory);
}
