import { createRequire, syncBuiltinESMExports } from 'node:module';
import { runningProcess } from './inside.ts';

/** Code of a simulated process touched the real world. `what` names it. */
export class DeterminismLeak extends Error {
  override readonly name = 'DeterminismLeak';
  readonly what: string;

  constructor(what: string, process: string) {
    super(
      `${what} was used by ${process}: a process of the simulator reaches time, randomness and I/O through its Host only`,
    );
    this.what = what;
  }
}

const require = createRequire(import.meta.url);

/** Modules of Node whose every function is I/O. */
const IO_MODULES = [
  'fs',
  'fs/promises',
  'net',
  'tls',
  'dns',
  'dns/promises',
  'dgram',
  'http',
  'https',
  'child_process',
  'worker_threads',
];
/** Functions of `node:crypto` that draw randomness; hashes and signatures are free. */
const CRYPTO = [
  'randomBytes',
  'randomFill',
  'randomFillSync',
  'randomInt',
  'randomUUID',
  'getRandomValues',
  'generateKeyPair',
  'generateKeyPairSync',
  'generateKey',
  'generateKeySync',
];
const TIMERS = ['setTimeout', 'setInterval', 'setImmediate'];
const TIMER_PROMISES = ['setTimeout', 'setInterval', 'setImmediate'];

type Callable = (...values: unknown[]) => unknown;

function check(what: string): void {
  const owner = runningProcess();
  if (owner?.alive) throw new DeterminismLeak(what, owner.traceName);
}

/** The same function, but an error when code of a simulated process calls or constructs it. */
function guarded<F extends Callable>(original: F, what: string): F {
  return new Proxy(original, {
    apply(target, self, values) {
      check(what);
      return Reflect.apply(target, self, values);
    },
    construct(target, values, newTarget) {
      check(what);
      return Reflect.construct(target, values, newTarget);
    },
  });
}

/** `Date`, where only what reads the real clock is an error: `new Date(0)` and `Date.UTC` are arithmetic. */
function guardedDate(original: DateConstructor): DateConstructor {
  const now = guarded(original.now, 'Date.now');
  return new Proxy(original, {
    apply(target, self, values) {
      check('Date()');
      return Reflect.apply(target, self, values);
    },
    construct(target, values, newTarget) {
      if (values.length === 0) check('new Date()');
      return Reflect.construct(target, values, newTarget);
    },
    get(target, key, receiver) {
      return key === 'now' ? now : Reflect.get(target, key, receiver);
    },
  });
}

interface Patch {
  readonly on: object;
  readonly key: string;
  readonly replacement: PropertyDescriptor;
}

let patches: readonly Patch[] | undefined;

/** Every patch, made once: replacing and restoring is then an assignment each. */
function allPatches(): readonly Patch[] {
  if (patches !== undefined) return patches;
  const made: Patch[] = [];
  const patch = (on: object, key: string, replace: (original: Callable) => Callable): void => {
    const found = Object.getOwnPropertyDescriptor(on, key);
    if (found === undefined || found.configurable === false) return;
    const value: unknown = found.value;
    if (typeof value !== 'function') return;
    // Proxies keep every property of the original, so the type of the property stays true.
    made.push({ on, key, replacement: { ...found, value: replace(value as Callable) } });
  };
  const patchFunctions = (on: object, keys: readonly string[], name: string): void => {
    for (const key of keys) patch(on, key, (original) => guarded(original, `${name}.${key}`));
  };

  patch(globalThis, 'Date', (original) => guardedDate(original as unknown as DateConstructor) as unknown as Callable);
  patchFunctions(Math, ['random'], 'Math');
  patchFunctions(AbortSignal, ['timeout'], 'AbortSignal');
  patchFunctions(process, ['nextTick'], 'process');
  patchFunctions(Object.getPrototypeOf(performance) as object, ['now'], 'performance');
  for (const key of TIMERS) patch(globalThis, key, (original) => guarded(original, key));
  patch(globalThis, 'fetch', (original) => guarded(original, 'fetch'));
  patch(process, 'hrtime', (original) => {
    const bigint = guarded((original as unknown as { bigint: Callable }).bigint, 'process.hrtime.bigint');
    const outer = guarded(original, 'process.hrtime');
    return new Proxy(outer, { get: (target, key) => (key === 'bigint' ? bigint : Reflect.get(target, key)) });
  });
  patchFunctions(Object.getPrototypeOf(globalThis.crypto) as object, ['getRandomValues', 'randomUUID'], 'crypto');
  patchFunctions(require('node:crypto') as object, CRYPTO, 'node:crypto');
  patchFunctions(require('node:timers') as object, TIMERS, 'node:timers');
  patchFunctions(require('node:timers/promises') as object, TIMER_PROMISES, 'node:timers/promises');
  for (const name of IO_MODULES) {
    const module = require(`node:${name}`) as object;
    const functions = Object.keys(module).filter(
      (key) => !/Error$|^Stats$|^Dirent$|^MessageChannel$|^MessagePort$/.test(key),
    );
    patchFunctions(module, functions, `node:${name}`);
  }
  patches = made;
  return made;
}

let installed = 0;
let originals: { readonly on: object; readonly key: string; readonly descriptor: PropertyDescriptor }[] = [];

/**
 * From now on, whatever reads real time or randomness, or does real I/O, throws `DeterminismLeak` when code of a
 * simulated process calls it; everybody else gets the original. Returns how to restore; nested installs restore once.
 */
export function installLeakGuards(): () => void {
  if (installed++ === 0) {
    originals = [];
    // Opened by the first look at them: printing for a debugger is harmless, but must not open a stream under the guards.
    void process.stdout;
    void process.stderr;
    for (const { on, key, replacement } of allPatches()) {
      const descriptor = Object.getOwnPropertyDescriptor(on, key);
      if (descriptor === undefined) continue;
      originals.push({ on, key, descriptor });
      Object.defineProperty(on, key, replacement);
    }
    syncBuiltinESMExports();
  }
  let restored = false;
  return () => {
    if (restored) return;
    restored = true;
    if (--installed > 0) return;
    for (const { on, key, descriptor } of originals) Object.defineProperty(on, key, descriptor);
    originals = [];
    syncBuiltinESMExports();
  };
}
