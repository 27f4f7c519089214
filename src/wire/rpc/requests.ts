import { ByteReader, ByteWriter } from './bytes.ts';
import { frameHeaderBytes } from './frames.ts';

/** Requests and answers between brokers, as frames; other frames of a connection have other numbers. */
export const FrameKind = { request: 16, answer: 17, cancel: 18, ping: 19, pong: 20 } as const;

/** A request as it travels. */
export interface RequestFrame {
  /** Number on its connection. */
  readonly id: number;
  readonly name: string;
  readonly body: Uint8Array;
}

/** What became of a request. */
export type AnswerFrame =
  | { readonly id: number; readonly ok: true; readonly body: Uint8Array }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly message: string };

/** Writes a frame whose payload `fill` writes. */
export function writeFrame(writer: ByteWriter, kind: number, fill: (writer: ByteWriter) => void): void {
  const at = writer.length;
  writer.u32(0);
  writer.u8(kind);
  fill(writer);
  writer.patchU32(at, writer.length - at - frameHeaderBytes + 1);
}

export function encodeRequest({ id, name, body }: RequestFrame): Uint8Array {
  const writer = new ByteWriter(body.length + name.length + 32);
  writeFrame(writer, FrameKind.request, (into) => {
    into.u32(id);
    into.text(name);
    into.raw(body);
  });
  return writer.take();
}

export function decodeRequest(payload: Uint8Array): RequestFrame {
  const reader = new ByteReader(payload);
  return { id: reader.u32(), name: reader.text(), body: reader.raw(reader.left) };
}

export function encodeAnswer(answer: AnswerFrame): Uint8Array {
  const writer = new ByteWriter(answer.ok ? answer.body.length + 16 : 256);
  writeFrame(writer, FrameKind.answer, (into) => {
    into.u32(answer.id);
    into.u8(answer.ok ? 1 : 0);
    if (answer.ok) {
      into.raw(answer.body);
    } else {
      into.text(answer.code);
      into.text(answer.message);
    }
  });
  return writer.take();
}

export function decodeAnswer(payload: Uint8Array): AnswerFrame {
  const reader = new ByteReader(payload);
  const id = reader.u32();
  if (reader.u8() === 1) return { id, ok: true, body: reader.raw(reader.left) };
  return { id, ok: false, code: reader.text(), message: reader.text() };
}

/** A frame that carries one number: a cancelled request, a ping, its echo. */
export function encodeNumber(kind: number, id: number): Uint8Array {
  const writer = new ByteWriter(16);
  writeFrame(writer, kind, (into) => into.u32(id));
  return writer.take();
}

export function decodeNumber(payload: Uint8Array): number {
  return new ByteReader(payload).u32();
}
