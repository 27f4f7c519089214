import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Connection } from '../../host/network.ts';
import { ByteReader, ByteWriter, MalformedBytes } from './bytes.ts';
import { FrameError, FrameSplitter, frameBytesMax, frameOf, helloBytesMax } from './frames.ts';
import { packedKind, unpackFrames } from './packed.ts';

/** Version of this protocol; a broker of another one is refused by name. */
const PROTOCOL = 1;
const MAGIC = 0x48_46_53_42; // HFSB

/** First frames of a connection, one in each direction and a proof. */
const HELLO = 1;
const WELCOME = 2;
const PROOF = 3;
const REFUSED = 4;

const NONCE_BYTES = 16;
const PROOF_BYTES = 32;

/** Who speaks. */
export interface Introduction {
  /** Empty while its disk is not formatted. */
  readonly cluster: string;
  readonly broker: number;
  /** 0: it has none yet. */
  readonly incarnation: number;
  readonly startCount: number;
}

/** True when both say the same of the same broker. */
export function isSameIntroduction(left: Introduction, right: Introduction): boolean {
  return (
    left.cluster === right.cluster &&
    left.broker === right.broker &&
    left.incarnation === right.incarnation &&
    left.startCount === right.startCount
  );
}

/** The other side is not who was expected, or refuses us. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError';
  /** `protocol`, `cluster`, `secret`, `broker`, `fenced`; `identity`: it was this side that became another one meanwhile. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What both sides know of themselves. */
export interface HandshakeSelf {
  readonly introduction: Introduction;
  /** Each side proves that it has it; undefined: none is asked for. */
  readonly secret: Uint8Array | undefined;
  /** 16 fresh bytes. */
  nonce(): Uint8Array;
}

/** A connection on which both sides know each other. */
export interface Introduced {
  readonly peer: Introduction;
  /** Carries on where the handshake has left off. */
  readonly frames: FrameStream;
}

/** Frames of a connection, one after the other. */
export class FrameStream {
  readonly #connection: Connection;
  readonly #splitter = new FrameSplitter(helloBytesMax);
  readonly #waiting: { kind: number; payload: Uint8Array }[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The next frame; undefined at the end. Rejects with `NetworkError` or `FrameError`. */
  async next(): Promise<{ kind: number; payload: Uint8Array } | undefined> {
    for (;;) {
      const frame = this.#waiting.shift();
      if (frame !== undefined) return frame;
      const bytes = await this.#connection.read();
      if (bytes === undefined) return undefined;
      this.#splitter.push(bytes, (kind, payload) => {
        this.#waiting.push({ kind, payload });
        // What follows a proof may have come with it, and is judged by it before more is read.
        if (kind === PROOF) this.#splitter.bytesMax = frameBytesMax;
      });
    }
  }

  /** Gives every frame to `onFrame` until the connection ends; `between` is called after the frames of each read, with its bytes. */
  async each(onFrame: (kind: number, payload: Uint8Array) => void, between: (bytes: number) => void): Promise<void> {
    this.#splitter.bytesMax = frameBytesMax;
    const take = (kind: number, payload: Uint8Array): void => {
      if (kind === packedKind) unpackFrames(payload, onFrame);
      else onFrame(kind, payload);
    };
    for (const { kind, payload } of this.#waiting.splice(0)) take(kind, payload);
    between(0);
    for (;;) {
      const bytes = await this.#connection.read();
      if (bytes === undefined) return;
      this.#splitter.push(bytes, take);
      between(bytes.length);
    }
  }
}

/** The side that connected: says who it is, hears who answers, proves the secret. Rejects with `HandshakeError`. */
export async function introduceOurselves(
  connection: Connection,
  self: HandshakeSelf,
  expectedBroker: number,
): Promise<Introduced> {
  const frames = new FrameStream(connection);
  const hello = encodeHello(self.introduction, self.nonce(), new Uint8Array(PROOF_BYTES));
  await connection.write(frameOf(HELLO, hello));
  const answer = await frames.next();
  if (answer?.kind === REFUSED) throw decodeRefusal(answer.payload);
  if (answer?.kind !== WELCOME) throw new HandshakeError('protocol', 'the other side does not speak this protocol');
  const welcome = decodeHello(answer.payload);
  if (self.secret !== undefined && !isEqual(welcome.proof, proofOf(self.secret, 'accept', hello, answer.payload))) {
    throw new HandshakeError('secret', 'the other side does not have the secret of this cluster');
  }
  if (welcome.introduction.broker !== expectedBroker) {
    throw new HandshakeError(
      'broker',
      `expected broker ${expectedBroker}, broker ${welcome.introduction.broker} answered`,
    );
  }
  if (self.secret !== undefined) {
    await connection.write(frameOf(PROOF, proofOf(self.secret, 'connect', hello, answer.payload)));
  }
  return { peer: welcome.introduction, frames };
}

/**
 * The side that was connected to. `judge` says why a broker is not talked to, if it is not: the reason goes back to it. Rejects with
 * `HandshakeError`; the caller drops the connection then.
 */
export async function hearIntroduction(
  connection: Connection,
  self: HandshakeSelf,
  judge: (peer: Introduction) => HandshakeError | undefined,
): Promise<Introduced> {
  const frames = new FrameStream(connection);
  const first = await frames.next();
  if (first?.kind !== HELLO) throw new HandshakeError('protocol', 'a connection began without a hello');
  const hello = decodeHello(first.payload);
  const { introduction: peer } = hello;
  const refusal = clusterMismatch(self.introduction, peer) ?? judge(peer);
  if (refusal !== undefined) {
    await connection.write(frameOf(REFUSED, encodeRefusal(refusal)));
    throw refusal;
  }
  const nonce = self.nonce();
  const unproved = encodeHello(self.introduction, nonce, new Uint8Array(PROOF_BYTES));
  const proof = self.secret === undefined ? undefined : proofOf(self.secret, 'accept', first.payload, unproved);
  const welcome = proof === undefined ? unproved : encodeHello(self.introduction, nonce, proof);
  await connection.write(frameOf(WELCOME, welcome));
  if (self.secret !== undefined) {
    const proved = await frames.next();
    const expected = proofOf(self.secret, 'connect', first.payload, welcome);
    if (proved?.kind !== PROOF || !isEqual(proved.payload, expected)) {
      throw new HandshakeError('secret', `broker ${peer.broker} does not have the secret of this cluster`);
    }
  }
  return { peer, frames };
}

/** Two clusters never talk; a broker that is not formatted yet talks with everybody. */
function clusterMismatch(self: Introduction, peer: Introduction): HandshakeError | undefined {
  if (self.cluster === '' || peer.cluster === '' || self.cluster === peer.cluster) return undefined;
  return new HandshakeError(
    'cluster',
    `broker ${peer.broker} belongs to cluster ${peer.cluster}, this is ${self.cluster}`,
  );
}

function encodeHello(introduction: Introduction, nonce: Uint8Array, proof: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(MAGIC);
  writer.u16(PROTOCOL);
  writer.text(introduction.cluster);
  writer.u32(introduction.broker);
  writer.u16(introduction.incarnation);
  writer.u48(introduction.startCount);
  writer.raw(nonce);
  writer.raw(proof);
  return writer.copyOut();
}

function decodeHello(payload: Uint8Array): { introduction: Introduction; proof: Uint8Array } {
  try {
    const reader = new ByteReader(payload);
    if (reader.u32() !== MAGIC) throw new HandshakeError('protocol', 'the other side is no broker');
    const version = reader.u16();
    if (version !== PROTOCOL) {
      throw new HandshakeError('protocol', `the other side speaks version ${version}, expected ${PROTOCOL}`);
    }
    const cluster = reader.text();
    const broker = reader.u32();
    const incarnation = reader.u16();
    const startCount = reader.u48();
    reader.raw(NONCE_BYTES);
    const proof = reader.raw(PROOF_BYTES);
    reader.end();
    return { introduction: { cluster, broker, incarnation, startCount }, proof };
  } catch (error) {
    if (error instanceof MalformedBytes) throw new FrameError(`a hello is malformed: ${error.message}`);
    throw error;
  }
}

/** HMAC-SHA-256 over both introductions with their nonces (the welcome's own proof left out). */
function proofOf(secret: Uint8Array, side: 'accept' | 'connect', hello: Uint8Array, welcome: Uint8Array): Uint8Array {
  return createHmac('sha256', secret)
    .update(side)
    .update(hello)
    .update(welcome.subarray(0, welcome.length - PROOF_BYTES))
    .digest();
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

function encodeRefusal(refusal: HandshakeError): Uint8Array {
  const writer = new ByteWriter();
  writer.text(refusal.code);
  writer.text(refusal.message);
  return writer.copyOut();
}

function decodeRefusal(payload: Uint8Array): HandshakeError {
  const reader = new ByteReader(payload);
  return new HandshakeError(reader.text(), reader.text());
}
