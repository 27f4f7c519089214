import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { type CallName, callNumbers } from './numbers.ts';

/** Memory of this process outside the heap, never given back: its address stays what it is. */
export interface Block {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** The same as 32-bit words. */
  readonly words: Int32Array;
}

/** The kernel, as one thread calls it. All arguments are numbers: integers and addresses, which have 48 bits at most. */
export interface Kernel {
  readonly numbers: Readonly<Record<CallName, number>>;
  /** syscall(2): what the call returned; -1 after an error, whose number `errno` then tells. Blocks the thread as the call does. */
  readonly call: (number: number, a: number, b: number, c: number, d: number, e: number, f: number) => number;
  /** Number of the error of this thread's last call. To be asked before anything else is called. */
  readonly errno: () => number;
  /** Memory at an address as an ArrayBuffer, which does not keep it mapped. */
  readonly view: (address: number, bytes: number) => ArrayBuffer;
  /** Zeroed memory for what the kernel reads or writes through a pointer. */
  readonly allocate: (bytes: number) => Block;
}

/** What is used of the package koffi. Its own types are not there where it is not installed. */
interface Koffi {
  /** Null: what the running program has loaded, so its own C library, glibc or musl. */
  load(path: null): {
    func(name: string, result: string, words: readonly string[]): (...words: number[]) => unknown;
  };
  errno(): number;
  view(address: number, bytes: number): ArrayBuffer;
}

/** The kernel by FFI, or why not, in words for an operator. */
export type KernelResult = { readonly kernel: Kernel } | { readonly reason: string };

let loaded: KernelResult | undefined;

/**
 * Loads the optional package koffi, once in a thread. `HOTFIRE_FFI=off` in the environment keeps it out. Throws nothing.
 */
export function loadKernel(): KernelResult {
  loaded ??= load();
  return loaded;
}

function load(): KernelResult {
  if (process.env.HOTFIRE_FFI === 'off') return { reason: 'HOTFIRE_FFI=off' };
  const numbers = process.platform === 'linux' ? callNumbers[process.arch] : undefined;
  if (numbers === undefined) {
    return {
      reason: `FFI is for Linux on ${Object.keys(callNumbers).join(' and ')}, not ${process.platform} on ${process.arch}`,
    };
  }
  try {
    // What is used of it is written down in Koffi; the tests of this directory hold it to that.
    const kernel = kernelOf(createRequire(import.meta.url)('koffi') as Koffi, numbers);
    // Numbers of another architecture, under an emulator, would be other calls.
    const pid = kernel.call(numbers.getpid, 0, 0, 0, 0, 0, 0);
    return pid === process.pid ? { kernel } : { reason: `syscall(2) gives ${pid} as the pid, it is ${process.pid}` };
  } catch (error) {
    return { reason: whyNot(error) };
  }
}

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isMissing = 'code' in error && error.code === 'MODULE_NOT_FOUND';
  return isMissing ? 'the package koffi is not installed' : `koffi: ${error.message.split('\n', 1)[0]}`;
}

function kernelOf(koffi: Koffi, numbers: Readonly<Record<CallName, number>>): Kernel {
  // It takes a variable number of arguments; on both architectures integers are handed over as to any other function.
  const raw = koffi.load(null).func('syscall', 'int64', new Array<string>(7).fill('int64'));
  const call = raw as Kernel['call']; // an integer beyond 2^53 would come as a BigInt: no call here returns one
  const { errno } = koffi;
  const view = (address: number, bytes: number): ArrayBuffer => koffi.view(address, bytes);
  const allocate = (size: number): Block => {
    const address = call(numbers.mmap, 0, size, protReadWrite, mapPrivate | mapAnonymous, -1, 0);
    if (address === -1) throw systemError(errno(), 'mmap', `${size} bytes`);
    const buffer = view(address, size);
    return { address, bytes: new Uint8Array(buffer), words: new Int32Array(buffer) };
  };
  return { numbers, call, errno: () => errno(), view, allocate };
}

/** Arguments of mmap(2). */
export const protReadWrite = 0x1 | 0x2;
export const mapShared = 0x01;
export const mapPrivate = 0x02;
export const mapAnonymous = 0x20;
export const mapNoReserve = 0x4000;

const names = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) if (!names.has(number)) names.set(number, name);
// One number has two names; this is the one that the addon says.
names.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP');

/** Name of an error's number, as Node writes it ("ENOSPC"); "E<number>" for one without a name. */
export function errnoName(number: number): string {
  return names.get(number) ?? `E${number}`;
}

/** The error that a system call ended with, shaped as those of Node and of the addon. */
export function systemError(number: number, call: string, detail = ''): Error {
  const message = `${call}: ${errnoName(number)}${detail === '' ? '' : ` (${detail})`}`;
  return Object.assign(new Error(message), { code: errnoName(number), syscall: call, errno: number });
}
