import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { errorResponse } from '../../engines/router.ts';

/** Answers, by the parser's code, to bytes that are no request. */
const ANSWERS: Readonly<Record<string, readonly [status: number, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'TOO_LARGE', 'expected headers of at most 16 KiB together, got more'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'REQUEST_TIMEOUT', 'expected the whole head of a request within 60 s'],
};

/** Answers what is no request of HTTP in the one shape, and ends the connection: nobody knows where the next one begins. */
export function answerGarbage(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, code, message] = ANSWERS[error.code ?? ''] ?? [
    400,
    'VALIDATION_FAILED',
    'expected a request of HTTP/1.1, got something else',
  ];
  const body = JSON.stringify(errorResponse(status, code, message).body);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json; charset=utf-8\r\n`;
  if (socket.writable)
    socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
  socket.destroySoon();
}
