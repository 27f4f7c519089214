/**
 * Watches one direction of a connection. It is told on the way, inside of the sender's code or of the network's events, so it
 * must not throw, keep the bytes that it is shown, draw, or schedule anything.
 */
export interface PipeTap {
  /** One write put these bytes on the connection. */
  sent(bytes: Uint8Array): void;
  /** So many more of the bytes, in their order, have reached the receiving machine. What is repeated arrives once. */
  arrived(bytes: number): void;
}

/** Watches a network. */
export interface NetworkTap {
  /** A connection was established: called for each of its directions, with the names of the machines. */
  open(from: string, to: string): PipeTap;
}
