/** The part of autocannon that the benchmarks use: the package has no types of its own. */
declare module 'autocannon' {
  interface Options {
    readonly url: string;
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    /** Replaces `[<id>]` in the body by another id in each request. */
    readonly idReplacement: boolean;
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    readonly workers: number;
  }
  interface Result {
    readonly '2xx': number;
    readonly non2xx: number;
    readonly errors: number;
    /** Seconds. */
    readonly duration: number;
  }
  // biome-ignore lint/style/noDefaultExport: it is how the package exports it
  export default function autocannon(options: Options): Promise<Result>;
}
