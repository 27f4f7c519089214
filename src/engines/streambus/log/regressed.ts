/** A partition's directory is gone, foreign, or shorter than its checkpoint: this replica has forgotten what it promised. */
export class PartitionRegressed extends Error {
  override readonly name = 'PartitionRegressed';
  readonly code = 'PARTITION_REGRESSED';
  readonly reason: 'missing' | 'foreign' | 'short' | 'state-lost';
  constructor(reason: PartitionRegressed['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}
