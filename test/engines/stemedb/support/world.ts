import type { RouteResponse } from '../../../../src/engines/route.ts';
import { createRouter, parseQuery, type Router } from '../../../../src/engines/router.ts';
import { type StemeConfig, stemeConfigSchema } from '../../../../src/engines/stemedb/config.ts';
import { type RunningStemeDb, startStemeDb } from '../../../../src/engines/stemedb/engine.ts';
import type { AssertionInput } from '../../../../src/engines/stemedb/model.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Machine } from '../../../../src/sim/machine.ts';
import { World, type WorldOptions } from '../../../../src/sim/world.ts';

/** One machine in a world of its own. */
export interface Bench {
  readonly world: World;
  readonly machine: Machine;
  /** Runs `main` in a new process of the machine until it settles; the process stays unless it is killed. */
  run<T>(main: (host: Host) => Promise<T>): Promise<T>;
}

/** Virtual time after which a test's step counts as hung. */
const PATIENCE_MS = 600_000;

export function makeBench(options: Partial<WorldOptions> = {}): Bench {
  const world = new World({ seed: 1, ...options });
  const machine = world.addMachine('stemedb-1');

  async function run<T>(main: (host: Host) => Promise<T>): Promise<T> {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    if (machine.process !== undefined) machine.kill('next step of the test');
    machine.start('test', async (host) => {
      try {
        outcome = { value: await main(host) };
      } catch (error) {
        outcome = { error };
      }
    });
    await world.run({ toMs: world.now + PATIENCE_MS, until: () => outcome !== undefined });
    if (outcome === undefined) throw new Error(`not settled after ${PATIENCE_MS} virtual milliseconds`);
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  return { world, machine, run };
}

type DeepPartial<T> = { [Key in keyof T]?: T[Key] extends object | undefined ? DeepPartial<T[Key]> : T[Key] };

/** A configuration for small worlds: little preallocation, no lame-duck time. */
export function smallConfig(overrides: DeepPartial<StemeConfig> = {}): StemeConfig {
  const wal = { segment_bytes: 2 ** 20, max_record_bytes: 2 ** 18, max_bytes: 2 ** 26, ...overrides.wal };
  return stemeConfigSchema.parse({ ...overrides, wal, drain: { lame_duck_ms: 0, ...overrides.drain } });
}

/** What a request may have beside method and path. */
export interface RequestOptions {
  readonly json?: unknown;
  readonly text?: string;
  /** Default application/json when there is a body; null: none. */
  readonly contentType?: string | null;
  /** Further ones, names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly pieces?: readonly string[];
  /** The body as it arrives, in place of pieces. */
  readonly stream?: AsyncIterable<Uint8Array>;
}

/** A started store with its routes. */
export interface Node {
  readonly engine: RunningStemeDb;
  readonly router: Router;
  request(line: string, options?: RequestOptions): Promise<RouteResponse>;
}

export async function startNode(host: Host, config: StemeConfig = smallConfig()): Promise<Node> {
  const engine = await startStemeDb(host, config);
  const router = createRouter(engine.routes);

  function request(line: string, options: RequestOptions = {}): Promise<RouteResponse> {
    const [method = '', target = ''] = line.split(' ', 2);
    const [path = '', search = ''] = target.split('?', 2);
    const text = options.text ?? (options.json === undefined ? '' : JSON.stringify(options.json));
    const type = options.contentType === undefined ? 'application/json' : options.contentType;
    const given = options.stream ?? (options.pieces === undefined ? undefined : pieces(options.pieces));
    const stream = given === undefined ? {} : { stream: given };
    return router.dispatch({
      method,
      path,
      query: parseQuery(search),
      headers: { ...options.headers, ...(type === null ? {} : { 'content-type': type }) },
      body: Buffer.from(text),
      signal: new AbortController().signal,
      ...stream,
    });
  }

  return { engine, router, request };
}

async function* pieces(texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

/** The error of an answer, as data. */
export function errorOf(response: RouteResponse): Record<string, unknown> {
  const { error } = response.body as { error: Record<string, unknown> };
  return error;
}

/** An assertion that differs by `n`: the n-th of many claims about one thing. */
export function claim(n: number, more: Partial<AssertionInput> = {}): AssertionInput {
  return {
    subject: 's',
    predicate: 'p',
    object: { number: n },
    stage: 'approved',
    confidence: 0.5,
    timestamp: 1_000 + n,
    ...more,
  };
}

/** Runs a test's body against a fresh store in a world of its own. */
export async function onNode(body: (node: Node, host: Host) => Promise<void>, config = smallConfig()): Promise<void> {
  const bench = makeBench();
  await bench.run(async (host) => {
    const node = await startNode(host, config);
    await body(node, host);
    await node.engine.close();
  });
}
